'use strict';
// Plain old JavaScript on purpose: an outdated Node must get as far as the sentence that says so.

var LEAST = [20, 19];

function problemOf(machine) {
  var parts = machine.version.split('.');
  var major = Number(parts[0]);
  var minor = Number(parts[1]);
  if (major < LEAST[0] || (major === LEAST[0] && minor < LEAST[1])) {
    return 'Ensemble needs Node ' + LEAST.join('.') + ' or later; this is Node ' + machine.version + '.';
  }
  if (machine.platform === 'win32') return 'Ensemble does not run on Windows itself; start it inside WSL 2.';
  if (machine.platform !== 'linux' && machine.platform !== 'darwin') {
    return 'Ensemble runs on Linux and macOS; this is ' + machine.platform + '.';
  }
  if (machine.arch !== 'x64' && machine.arch !== 'arm64') {
    return 'Ensemble runs on x64 and arm64; this is ' + machine.arch + '.';
  }
  if (machine.platform === 'linux' && !machine.glibc) {
    return "Ensemble needs a Linux with glibc (Debian, Ubuntu, Fedora); Temporal's library has no build for musl (Alpine).";
  }
  return null;
}

function thisMachine() {
  return {
    version: process.versions.node,
    platform: process.platform,
    arch: process.arch,
    glibc: process.platform === 'linux' && hasGlibc(),
  };
}

function hasGlibc() {
  // Very old Nodes have no report; their version is refused before this matters.
  if (!process.report || !process.report.getReport) return true;
  // Without this the report looks up the name of every open connection.
  process.report.excludeNetwork = true;
  var report = process.report.getReport();
  if (typeof report === 'string') report = JSON.parse(report);
  return Boolean(report.header.glibcVersionRuntime);
}

function refuseUnsupported() {
  var problem = problemOf(thisMachine());
  if (problem === null) return;
  process.stderr.write(problem + '\n');
  process.exit(5);
}

module.exports = { problemOf: problemOf, thisMachine: thisMachine, refuseUnsupported: refuseUnsupported };
