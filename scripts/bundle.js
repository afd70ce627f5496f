'use strict';
// Writes the workflow bundle; build.js runs it as a process of its own.
const fs = require('node:fs');
const { bundleWorkflows } = require('../lib/src/runtime/bundle.js');

const target = process.argv[2];

async function main() {
  const temporary = `${target}.${process.pid}`;
  fs.writeFileSync(temporary, await bundleWorkflows());
  fs.renameSync(temporary, target);
}

main().then(
  () => process.exit(0),
  (error) => {
    process.stderr.write(`${error?.message ?? error}\n`);
    process.exit(1);
  },
);
