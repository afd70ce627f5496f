'use strict';
require('./preflight').refuseUnsupported();
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { readJson, runNode } = require('./support');

const JEST = path.join('node_modules', 'jest', 'bin', 'jest.js');

async function test(announce) {
  const args = process.argv.slice(2);
  const long = args.includes('--long');
  try {
    await require('./install').ensureInstalled(announce);
    await require('./build').ensureBuilt(announce);
  } catch (error) {
    process.stderr.write(`${error?.message ?? error}\n`);
    return conclude(null, error?.exitCode ?? 1);
  }
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'ensemble-summary-'));
  const summaryFile = path.join(folder, 'summary.json');
  try {
    const env = { ENSEMBLE_TEST_SUMMARY: summaryFile, ...(long ? { ENSEMBLE_TEST_LONG: '1' } : {}) };
    const jestArgs = args.filter((arg) => arg !== '--long');
    const { code } = await runNode([JEST, ...jestArgs], { env, inherit: true });
    return conclude(readJson(summaryFile), code);
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

// Said here and not by Jest, so that it is the last line whatever the servers still say while they stop.
function conclude(summary, code) {
  // Without a summary Jest itself ended before its time: that is a failure, and it must be counted as one.
  const { passed, failed, skipped } = summary ?? { passed: 0, failed: 1, skipped: 0 };
  const skips = skipped > 0 ? `, ${skipped} skipped` : '';
  process.stdout.write(`${passed} passed, ${failed} failed${skips}\n`);
  if (failed > 0 || passed === 0) return code === 0 ? 1 : code;
  return code;
}

void require('./launch').finish(test);
