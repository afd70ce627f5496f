'use strict';
const { spawn } = require('node:child_process');
const { createHash } = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');

const ROOT = path.resolve(__dirname, '..');
const SAY_EVERY_MS = 10_000;
const LOCK_POLL_MS = 250;

/** Says the steps of one thing, each with the time since its beginning; nothing long goes on silently. */
function stepAnnouncer(announce, name) {
  const startedAt = performance.now();
  return (line) =>
    announce(`  ${name.padEnd(12)} ${line} (${((performance.now() - startedAt) / 1_000).toFixed(1)} s)`);
}

function announceOn(stream) {
  return (line) => stream.write(`${line}\n`);
}

async function whileSaying(say, work) {
  const timer = setInterval(() => say(), SAY_EVERY_MS);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}

/** Runs a program to its end. A signal to us goes on to it, so that nothing is left behind. */
function run(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const stdio = options.inherit ? 'inherit' : ['ignore', 'pipe', 'pipe'];
    const child = spawn(command, args, { cwd: ROOT, stdio, env: { ...process.env, ...options.env } });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => (output += chunk));
    let signalled = null;
    const forward = (signal) => {
      signalled = signal;
      child.kill(signal);
    };
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
    for (const signal of signals) process.on(signal, forward);
    const finish = () => {
      for (const signal of signals) process.off(signal, forward);
    };
    child.once('error', (error) => {
      finish();
      reject(error);
    });
    child.once('close', (code, signal) => {
      finish();
      if (signalled !== null && !options.inherit) process.exit(signalled === 'SIGINT' ? 130 : 143);
      resolve({ code: code ?? (signal === 'SIGINT' ? 130 : 143), output });
    });
  });
}

/** Runs a JavaScript program with the very Node that runs us. */
function runNode(args, options) {
  return run(process.execPath, args, options);
}

/** Holds a lock among processes on this machine while it works; the lock of a dead process is taken over. */
async function withLock(name, say, work) {
  const folder = path.join(ROOT, '.ensemble');
  const lock = path.join(folder, `${name}.lock`);
  // The data folder's own mode: PostgreSQL's user passes through where root works, nobody else looks in.
  fs.mkdirSync(folder, { recursive: true, mode: process.getuid?.() === 0 ? 0o711 : 0o700 });
  for (let told = false; !take(lock); told = true) {
    if (!told) say(`waiting for another process that does the same (${lock})`);
    await new Promise((resolve) => setTimeout(resolve, LOCK_POLL_MS));
  }
  const release = () => fs.rmSync(lock, { force: true });
  process.once('exit', release);
  try {
    return await work();
  } finally {
    process.off('exit', release);
    release();
  }
}

function take(lock) {
  const mine = `${lock}.${process.pid}`;
  fs.writeFileSync(mine, String(process.pid));
  try {
    fs.linkSync(mine, lock);
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
    if (!isAlive(holderOf(lock))) removeIfUnchanged(lock);
    return false;
  } finally {
    fs.rmSync(mine, { force: true });
  }
}

// Renamed first: of two processes that find the same dead lock, only one can move it away.
function removeIfUnchanged(lock) {
  const aside = `${lock}.dead.${process.pid}`;
  try {
    fs.renameSync(lock, aside);
    if (isAlive(holderOf(aside))) fs.linkSync(aside, lock);
  } catch {
    // Somebody else was faster.
  }
  fs.rmSync(aside, { force: true });
}

function holderOf(lock) {
  try {
    return Number(fs.readFileSync(lock, 'utf8'));
  } catch {
    return Number.NaN;
  }
}

function isAlive(pid) {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/** All files below a folder (or the file itself), as sorted paths; nothing where there is none. */
function filesBelow(relative) {
  const absolute = path.join(ROOT, relative);
  const stats = fs.statSync(absolute, { throwIfNoEntry: false });
  if (stats === undefined) return [];
  if (stats.isFile()) return [relative];
  return fs
    .readdirSync(absolute)
    .toSorted()
    .flatMap((name) => filesBelow(path.join(relative, name)));
}

/** One hash over names and contents. */
function hashOf(relatives) {
  const hash = createHash('sha256');
  for (const file of relatives.flatMap(filesBelow)) {
    hash
      .update(`${file}\0`)
      .update(fs.readFileSync(path.join(ROOT, file)))
      .update('\0');
  }
  return hash.digest('hex');
}

function readJson(file) {
  try {
    return JSON.parse(fs.readFileSync(file, 'utf8'));
  } catch {
    return null;
  }
}

/** The end of a program's output, for a failure that must be understood where it is read. */
function tailOf(output, lines = 30) {
  return output.trimEnd().split('\n').slice(-lines).join('\n');
}

/** An expected failure: its message is for people and has no stack. */
class Failure extends Error {
  constructor(message, exitCode) {
    super(message);
    this.exitCode = exitCode;
  }
}

module.exports = {
  ROOT,
  Failure,
  announceOn,
  filesBelow,
  hashOf,
  readJson,
  run,
  runNode,
  stepAnnouncer,
  tailOf,
  whileSaying,
  withLock,
};
