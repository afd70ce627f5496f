'use strict';
const fs = require('node:fs');
const path = require('node:path');
const { missing } = require('./complete-lock');
const { ROOT, Failure, hashOf, readJson, run, stepAnnouncer, whileSaying, withLock } = require('./support');

const ERROR_LINES = 15;
const LOCK_FILE = 'package-lock.json';
const STAMP = path.join(ROOT, 'node_modules', '.ensemble-lock');
const INSTALLED = path.join(ROOT, 'node_modules', '.package-lock.json');

/** Why the packages have to be installed; null when node_modules is what the lock file says. */
function whyInstall() {
  if (!fs.existsSync(path.join(ROOT, 'node_modules'))) return 'node_modules is missing';
  const wanted = hashOf([LOCK_FILE]);
  if (fs.existsSync(STAMP) && fs.readFileSync(STAMP, 'utf8') === wanted) return null;
  // Installed by hand, or the lock file changed: npm's own record of what is there decides, not a date.
  const different = firstDifference();
  if (different !== null) return `node_modules does not hold what ${LOCK_FILE} says (${different})`;
  stamp();
  return null;
}

function firstDifference() {
  const locked = readJson(path.join(ROOT, LOCK_FILE))?.packages ?? {};
  const installed = readJson(INSTALLED)?.packages;
  if (installed === undefined) return 'an installation was not finished';
  // Optional packages are for other platforms, more often than not.
  const entries = Object.entries(locked).filter(
    ([key, entry]) => key !== '' && !entry.optional && !entry.peer,
  );
  const wrong = entries.find(([key, entry]) => installed[key]?.version !== entry.version);
  return wrong === undefined ? null : wrong[0].replace(/^.*node_modules\//, '');
}

function stamp() {
  fs.writeFileSync(STAMP, hashOf([LOCK_FILE]));
}

/** Installs the packages of the lock file, unless they are there; two at once do not disturb each other. */
async function ensureInstalled(announce) {
  if (whyInstall() === null) return;
  const say = stepAnnouncer(announce, 'packages');
  await withLock('install', say, async () => {
    const reason = whyInstall();
    if (reason === null) return;
    const command = npmCommand();
    say(`npm ${command.join(' ')}, since ${reason}`);
    const { code, output } = await whileSaying(
      () => say('still installing'),
      () => npm(command),
    );
    if (code !== 0) throw new Failure(`npm ${command.join(' ')} failed:\n${errorsOf(output)}`, 5);
    stamp();
    say('installed');
  });
}

// `npm ci` refuses a lock file without the packages of other platforms; `npm install` fetches what it needs of them.
function npmCommand() {
  const lock = readJson(path.join(ROOT, LOCK_FILE));
  return lock !== null && missing(lock).length > 0 ? ['install', '--no-save'] : ['ci'];
}

function npm(command) {
  // Inside `npm start` npm says where it is itself: the same npm then does the work, whatever the PATH holds.
  const program = process.env.npm_execpath;
  return program?.endsWith('.js') ? run(process.execPath, [program, ...command]) : run('npm', command);
}

// npm says what is wrong first, and then much that does not matter.
function errorsOf(output) {
  const lines = output.split('\n').filter((line) => line.startsWith('npm error'));
  return (lines.length > 0 ? lines.slice(0, ERROR_LINES) : output.split('\n').slice(-ERROR_LINES)).join('\n');
}

module.exports = { ensureInstalled, whyInstall };
