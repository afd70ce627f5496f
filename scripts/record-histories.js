'use strict';
require('./preflight').refuseUnsupported();
const { execFileSync } = require('node:child_process');
const { runNode } = require('./support');

/** Workflow code and what it is made of: a history is named by the commit that holds all of it. */
const CODE = ['src/workflows', 'src/core', 'src/protocol', 'src/activities', 'test/replay/support'];

/** Runs every scenario on real servers and keeps the histories, named by the commit that recorded them. */
async function record(announce) {
  const git = (...args) => execFileSync('git', args, { encoding: 'utf8' }).trim();
  const changed = git('status', '--porcelain', '--', ...CODE);
  if (changed !== '') {
    announce(`record: commit first, a history is named by the commit that recorded it:\n${changed}`);
    return 1;
  }
  const commit = git('rev-parse', '--short=10', 'HEAD');
  const args = ['scripts/test.js', 'test/replay/fresh'];
  const { code } = await runNode(args, { env: { RECORD_HISTORIES: commit }, inherit: true });
  if (code !== 0) return code;
  require('./golden-histories').add();
  announce(`record: test/replay/histories/${commit}; commit it`);
  return 0;
}

void require('./launch').finish(record);
