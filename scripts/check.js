'use strict';
require('./preflight').refuseUnsupported();

// Everything that can be known about the code without a server; in two lanes, since the usual small machine has two cores.
const LANES = [
  [
    ['types', ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.json']],
    ['lint', ['node_modules/oxlint/bin/oxlint', '--type-aware', '--deny-warnings']],
    ['format', ['node_modules/oxfmt/bin/oxfmt', '--check']],
  ],
  [
    ['import table and bundle', ['node_modules/jest/bin/jest.js', 'test/architecture', 'test/bundle']],
    ['dead code', ['node_modules/knip/bin/knip.js']],
    ['golden histories', ['scripts/golden-histories.js']],
  ],
];

async function check(announce) {
  const { runNode, stepAnnouncer, tailOf } = require('./support');
  await require('./install').ensureInstalled(announce);
  const failed = [];
  const lane = async (steps) => {
    for (const [name, args] of steps) {
      const say = stepAnnouncer(announce, name.padEnd(24));
      const { code, output } = await runNode(args, { env: { ENSEMBLE_TEST_SERVERS: 'none' } });
      say(code === 0 ? 'ok' : 'FAILED');
      if (code === 0) continue;
      failed.push(name);
      announce(tailOf(output, 200));
    }
  };
  await Promise.all(LANES.map(lane));
  announce(failed.length === 0 ? 'check: all ok' : `check: failed: ${failed.join(', ')}`);
  return failed.length === 0 ? 0 : 1;
}

void require('./launch').finish(check);
