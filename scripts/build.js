'use strict';
const fs = require('node:fs');
const path = require('node:path');
const support = require('./support');

const { ROOT, Failure, filesBelow, hashOf, readJson, runNode, stepAnnouncer, tailOf, withLock } = support;

const LIB = path.join(ROOT, 'lib');
const STAMP = path.join(LIB, '.ensemble-build.json');
const BUNDLE = path.join(LIB, 'workflow-bundle.js');
const MIGRATIONS = path.join('src', 'db', 'migrations');
const COMPILED = readJson(path.join(ROOT, 'tsconfig.build.json')).include;
const SOURCES = [...COMPILED, 'tsconfig.json', 'tsconfig.build.json', 'package-lock.json'];
// What the workflow bundle is made of; anything else inside it would break the table of imports.
const BUNDLED = ['workflows', 'core', 'protocol', path.join('runtime', 'bundle.js')];

/** Why lib/ has to be built; null when it is up to date. */
function whyBuild() {
  const built = readJson(STAMP);
  if (built === null || !fs.existsSync(BUNDLE)) return 'there is no build yet';
  if (built.sources !== hashOf(SOURCES)) return 'the sources changed';
  return missingOutputs().length > 0 ? 'files of the build are missing' : null;
}

/** Builds lib/ and the workflow bundle, unless both are up to date. */
async function ensureBuilt(announce) {
  if (whyBuild() === null) return;
  const say = stepAnnouncer(announce, 'build');
  await withLock('build', say, async () => {
    const reason = whyBuild();
    if (reason === null) return;
    say(`building lib/, since ${reason}`);
    // Read before the compiler reads them: a change made meanwhile shows as one the next time.
    const sources = hashOf(SOURCES);
    await compile();
    removeStale();
    copyMigrations();
    const bundle = await bundleWorkflows(say);
    fs.writeFileSync(STAMP, `${JSON.stringify({ sources, bundle })}\n`);
    say('built');
  });
}

async function compile() {
  // The compiler believes its own record: without the outputs that it names, the record has to go.
  if (missingOutputs().length > 0) fs.rmSync(path.join(LIB, '.tsbuildinfo'), { force: true });
  const tsc = path.join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
  const { code, output } = await runNode([tsc, '-p', 'tsconfig.build.json']);
  if (code !== 0) throw new Failure(`The build failed:\n${tailOf(output)}`, 1);
}

async function bundleWorkflows(say) {
  const inputs = BUNDLED.map((name) => path.join('lib', 'src', name));
  const wanted = hashOf([...inputs, 'package-lock.json']);
  if (readJson(STAMP)?.bundle === wanted && fs.existsSync(BUNDLE)) return wanted;
  say('bundling the workflows');
  // In a process of its own: the bundler's memory must not stay with the servers.
  const { code, output } = await runNode([path.join(__dirname, 'bundle.js'), BUNDLE]);
  if (code !== 0) throw new Failure(`The workflow bundle failed:\n${tailOf(output)}`, 1);
  return wanted;
}

function sourcesOfTypeScript() {
  return COMPILED.flatMap(filesBelow).filter((file) => /\.tsx?$/.test(file) && !file.endsWith('.d.ts'));
}

function missingOutputs() {
  return sourcesOfTypeScript()
    .map((file) => path.join('lib', file.replace(/\.tsx?$/, '.js')))
    .filter((file) => !fs.existsSync(path.join(ROOT, file)));
}

// The loader scans lib/, so the output of a deleted source would still be found as an agent.
function removeStale() {
  const sources = new Set(sourcesOfTypeScript().map((file) => file.replace(/\.tsx?$/, '')));
  for (const file of filesBelow('lib')) {
    const output = /^(.*?)(\.js|\.js\.map|\.d\.ts)$/.exec(path.relative('lib', file));
    if (output === null || path.join(ROOT, file) === BUNDLE || sources.has(output[1])) continue;
    fs.rmSync(path.join(ROOT, file));
  }
}

function copyMigrations() {
  const target = path.join(LIB, MIGRATIONS);
  fs.rmSync(target, { recursive: true, force: true });
  if (!fs.existsSync(path.join(ROOT, MIGRATIONS))) return;
  const isData = (source) => !/\.tsx?$/.test(source);
  fs.cpSync(path.join(ROOT, MIGRATIONS), target, { recursive: true, filter: isData });
}

module.exports = { ensureBuilt, whyBuild };

if (require.main === module) {
  require('./preflight').refuseUnsupported();
  void require('./launch').finish(async (announce) => {
    await require('./install').ensureInstalled(announce);
    await ensureBuilt(announce);
    return 0;
  });
}
