'use strict';
// Starts the embedded servers as `npm start` does, says so, and waits to be killed: the test needs a process of its own.
const { loadConfig } = require('../../../lib/src/config.js');
const { startEmbedded } = require('../../../lib/src/runtime/embedded/index.js');

const environment = process.env;
const options = { config: loadConfig(environment), environment, dataDir: process.argv[2], ports: 'any' };

startEmbedded({ ...options, announce: () => {} }).then(
  (servers) => process.stdout.write(`${JSON.stringify(servers)}\n`),
  (error) => {
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  },
);
setInterval(() => {}, 60_000);
