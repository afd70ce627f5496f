'use strict';
// The fake provider as a process of its own: `node main.js [--port N] [--fault NAME]... [--text TEXT]`.
// Prints one line of JSON with its addresses, then serves until it is told to stop or its parent is gone.
const { readFileSync } = require('node:fs');
const { parseArgs } = require('node:util');
const { transformSync } = require('@swc/core');

require.extensions['.ts'] = (module, filename) => {
  const { code } = transformSync(readFileSync(filename, 'utf8'), {
    filename,
    jsc: { target: 'es2022', parser: { syntax: 'typescript' } },
    module: { type: 'commonjs' },
  });
  module._compile(code, filename);
};

const { startProviderServer } = require('./server.ts');
const { FAULTS } = require('./faults.ts');

async function main() {
  const { values } = parseArgs({
    options: {
      port: { type: 'string', default: '0' },
      text: { type: 'string', default: 'An answer from the fake provider.' },
      fault: { type: 'string', multiple: true, default: [] },
    },
  });
  const unknown = values.fault.filter((name) => !Object.hasOwn(FAULTS, name));
  if (unknown.length > 0)
    throw new Error(`unknown fault ${unknown.join(', ')}; there are ${Object.keys(FAULTS).join(', ')}`);
  const script = (_request, index) =>
    index < values.fault.length ? { fault: values.fault[index] } : { text: values.text };
  const server = await startProviderServer({ port: Number(values.port), script });
  const { port, openAiUrl, anthropicUrl } = server;
  process.stdout.write(`${JSON.stringify({ port, openAiUrl, anthropicUrl })}\n`);
  const stop = () => void server.close().then(() => process.exit(0));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, stop);
  process.stdin.on('end', stop).resume();
}

main().catch((error) => {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
});
