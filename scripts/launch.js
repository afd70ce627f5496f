'use strict';
const fs = require('node:fs');
const path = require('node:path');
const { ROOT, announceOn } = require('./support');

const PARENT_POLL_MS = 300;
const LIB = path.join(ROOT, 'lib');

/** Installs, builds and runs one command of the product: `lib/src/cli/NAME.js`, or `lib/NAME/main.js`. */
function launch(name, args) {
  return finish(async (announce) => {
    await require('./install').ensureInstalled(announce);
    await require('./build').ensureBuilt(announce);
    const command = path.join(LIB, 'src', 'cli', `${name}.js`);
    return require(fs.existsSync(command) ? command : path.join(LIB, name, 'main.js')).main(args);
  }, args);
}

// npm ends at SIGTERM without passing it on through the shell that it puts between: when what started us is gone, so are we.
function followParent() {
  if (process.env.npm_lifecycle_event === undefined) return;
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    process.kill(process.pid, 'SIGTERM');
  }, PARENT_POLL_MS);
  timer.unref();
}

/** Ends the process with the exit code of the work, after everything it wrote has left. */
async function finish(work, args = []) {
  // A program that reads our JSON must find nothing else on the same stream.
  const announce = announceOn(args.includes('--json') ? process.stderr : process.stdout);
  followParent();
  let code;
  try {
    code = await work(announce);
  } catch (error) {
    code = exitCodeOf(error);
    const expected = error?.exitCode !== undefined || error?.name === 'AppError';
    process.stderr.write(`${expected ? error.message : (error?.stack ?? String(error))}\n`);
  }
  process.stdout.write('', () => process.stderr.write('', () => process.exit(code)));
}

function exitCodeOf(error) {
  if (error?.exitCode !== undefined) return error.exitCode;
  if (error?.name !== 'AppError') return 1;
  return require('../lib/src/protocol/failures.js').FAILURES[error.code]?.exit ?? 1;
}

module.exports = { finish, launch };
