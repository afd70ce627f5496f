'use strict';
// Adds to package-lock.json the optional packages of other platforms that npm left out: it drops what a registry mirror does
// not serve, and `npm ci` then refuses the lock. Without their integrity, which only the registry knows; nothing else changes.
const fs = require('node:fs');

const LOCK = 'package-lock.json';
const SYSTEMS = ['android', 'darwin', 'freebsd', 'linux', 'openharmony', 'win32'];
const PROCESSORS = { x64: 'x64', arm64: 'arm64', arm: 'arm', ia32: 'ia32' };

/** Optional dependencies of the lock that have no entry: [name, version, the entry that asks]. */
function missing(lock) {
  return Object.values(lock.packages).flatMap((asking) =>
    Object.entries(asking.optionalDependencies ?? {})
      .filter(([name]) => lock.packages[`node_modules/${name}`] === undefined)
      .map(([name, version]) => [name, version, asking]),
  );
}

/** What a platform package's name says of where it runs. */
function platformOf(name) {
  const parts = name.slice(name.lastIndexOf('/') + 1).split('-');
  const system = parts.find((part) => SYSTEMS.includes(part));
  const processor = parts[parts.indexOf(system) + 1];
  if (system === undefined || processor === undefined)
    throw new Error(`${name} names no platform; add it by hand`);
  const libc = parts.some((part) => part.startsWith('musl'))
    ? 'musl'
    : parts.some((part) => part.startsWith('gnu'))
      ? 'glibc'
      : null;
  return {
    cpu: [PROCESSORS[processor] ?? processor],
    ...(libc !== null && { libc: [libc] }),
    optional: true,
    os: [system],
  };
}

function complete() {
  const lock = JSON.parse(fs.readFileSync(LOCK, 'utf8'));
  const added = missing(lock);
  for (const [name, version, asking] of added) {
    const exact = /^\d/.test(version) ? version : asking.version;
    lock.packages[`node_modules/${name}`] = {
      version: exact,
      ...(asking.dev && { dev: true }),
      ...platformOf(name),
    };
  }
  const sorted = Object.keys(lock.packages).sort((a, b) => a.localeCompare(b, 'en'));
  lock.packages = Object.fromEntries(sorted.map((key) => [key, lock.packages[key]]));
  fs.writeFileSync(LOCK, `${JSON.stringify(lock, null, 2)}\n`);
  process.stdout.write(`${LOCK}: ${added.length} optional packages added\n`);
}

module.exports = { missing };

if (require.main === module) complete();
