'use strict';
// The fake provider as a process of its own; docs/provider-server.md says what its options are.
// Prints one line of JSON with its addresses, then serves until it is told to stop or its standard input ends.
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
const { seededScript } = require('./seeded.ts');

async function main() {
  const { values } = parseArgs({
    options: {
      port: { type: 'string', default: '0' },
      text: { type: 'string', default: 'An answer from the fake provider.' },
      fault: { type: 'string', multiple: true, default: [] },
      script: { type: 'string' },
      seed: { type: 'string' },
      share: { type: 'string', default: '0.2' },
      key: { type: 'string', multiple: true },
    },
  });
  const server = await startProviderServer({
    port: Number(values.port),
    keys: values.key,
    script: scriptOf(values),
  });
  const { port, openAiUrl, anthropicUrl } = server;
  process.stdout.write(`${JSON.stringify({ port, openAiUrl, anthropicUrl })}\n`);
  const stop = () => void server.close().then(() => process.exit(0));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, stop);
  process.stdin.on('end', stop).resume();
}

/** The steps of the file and the faults that are named; after them the text, or what the seed draws, for ever. */
function scriptOf(values) {
  const unknown = values.fault.filter((name) => !Object.hasOwn(FAULTS, name));
  if (unknown.length > 0)
    throw new Error(`unknown fault ${unknown.join(', ')}; there are ${Object.keys(FAULTS).join(', ')}`);
  const steps = values.script === undefined ? [] : JSON.parse(readFileSync(values.script, 'utf8'));
  steps.push(...values.fault.map((fault) => ({ fault })));
  const answer = { text: values.text };
  const seeded = { seed: Number(values.seed), share: Number(values.share), answer };
  const then = values.seed === undefined ? () => answer : seededScript(seeded);
  return (request, index) => steps[index] ?? then(request, index);
}

main().catch((error) => {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
});
