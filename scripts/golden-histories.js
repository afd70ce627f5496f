'use strict';
// Golden histories are what runs of earlier versions have lived through: one that is edited proves nothing any more.
// `node scripts/golden-histories.js` verifies them; `add` writes down the hashes of new ones.
const crypto = require('node:crypto');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const FOLDER = path.join('test', 'replay', 'histories');
const LIST = 'SHA256SUMS';

function filesIn(folder) {
  const names = fs.existsSync(folder) ? fs.readdirSync(folder, { recursive: true, encoding: 'utf8' }) : [];
  return names.filter((name) => name.endsWith('.json')).toSorted();
}

function hashOf(file) {
  return crypto.createHash('sha256').update(fs.readFileSync(file)).digest('hex');
}

function listedIn(folder) {
  const file = path.join(folder, LIST);
  if (!fs.existsSync(file)) return new Map();
  const lines = fs.readFileSync(file, 'utf8').split('\n').filter(Boolean);
  return new Map(lines.map((line) => [line.slice(66), line.slice(0, 64)]));
}

/** What is wrong with the histories of a folder, in lines for people. */
function problemsOf(folder = FOLDER) {
  const listed = listedIn(folder);
  const files = filesIn(folder);
  const unlisted = files.filter((name) => !listed.has(name)).map((name) => `${name} is not in ${LIST}`);
  const others = [...listed].flatMap(([name, hash]) => {
    const file = path.join(folder, name);
    if (!fs.existsSync(file)) return [`${name} is gone; with the line in ${LIST} it would be retired`];
    return hashOf(file) === hash ? [] : [`${name} was edited: record a new one instead`];
  });
  return [...unlisted, ...others];
}

/** What the repository says of the same: nothing where there is none. */
function editsInGit(folder = FOLDER) {
  const git = (...args) => {
    try {
      const options = { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] };
      return execFileSync('git', args, options).split('\n').filter(Boolean);
    } catch {
      return [];
    }
  };
  const paths = ['--', `${folder}/**/*.json`];
  const edited = [
    ...git('diff', '--diff-filter=M', '--name-only', 'HEAD', ...paths),
    ...git('log', '--diff-filter=M', '--name-only', '--format=', ...paths),
  ];
  return [...new Set(edited)].map((file) => `${file} was edited: record a new one instead`);
}

/** Writes down the hashes of what is new; what is listed stays as it is. */
function add(folder = FOLDER) {
  const listed = listedIn(folder);
  for (const name of filesIn(folder))
    if (!listed.has(name)) listed.set(name, hashOf(path.join(folder, name)));
  const lines = [...listed]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, hash]) => `${hash}  ${name}\n`);
  fs.writeFileSync(path.join(folder, LIST), lines.join(''));
}

module.exports = { add, problemsOf };

if (require.main === module) {
  if (process.argv[2] === 'add') add();
  const problems = [...problemsOf(), ...editsInGit()];
  for (const problem of problems) process.stdout.write(`${problem}\n`);
  process.exitCode = problems.length === 0 ? 0 : 1;
}
