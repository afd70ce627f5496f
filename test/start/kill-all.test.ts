import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from '../../src/client/connect';
import { liveOwner } from '../../src/runtime/embedded';
import { npmStart, processesOf } from '../support/npm-start';
import { temporaryFolder } from '../support/team';

jest.setTimeout(240_000);

const folder = temporaryFolder('ensemble-kill-all');
const dataDir = join(folder.path, 'data');
const agents = join(folder.path, 'agents');
const begun = join(folder.path, 'begun');
afterAll(() => folder[Symbol.dispose]());

/** Works for some seconds, so that there is a middle to kill it in, and leaves a mark for each beginning. */
const SLOW_AGENT = `
const { appendFileSync } = require('node:fs');
const { BaseAgent } = require(${JSON.stringify(resolve('lib/src/agents'))});
const { z } = require(${JSON.stringify(require.resolve('zod'))});
exports.SlowAgent = class SlowAgent extends BaseAgent {
  static manifest = { name: 'slow', version: '1.0.0', description: 'Takes its time', output: z.object({ text: z.string() }) };
  async execute(task, context) {
    appendFileSync(${JSON.stringify(begun)}, '*');
    await new Promise((done) => setTimeout(done, 3000));
    return { text: 'done in attempt ' + context.attempt };
  }
};
`;

test('after everything was killed in the middle of a run, the next start takes it to its end', async () => {
  mkdirSync(agents);
  writeFileSync(join(agents, 'slow.js'), SLOW_AGENT);
  const environment = { ENSEMBLE_AGENTS_PATH: agents };
  const first = npmStart({
    dataDir,
    args: ['--task', 'Survive', '--agents', 'summarizer,slow'],
    environment,
  });
  const [, runId = ''] = await first.says(/workflows\/run-(\S+)/);
  await first.says(/slow +running/);
  // Said as soon as its row is open: it may be about to begin, and its first attempt would be the next worker's.
  while (!existsSync(begun)) await sleep(20);
  for (const pid of [String(first.child.pid), ...processesOf(dataDir)]) kill(Number(pid));
  await first.exit();

  const second = npmStart({ dataDir, args: ['--task', 'Another.', '--agents', 'summarizer'], environment });
  await second.says(/Up until Ctrl-C/);
  const owner = liveOwner(dataDir);
  const connected = {
    TEMPORAL_ADDRESS: owner?.temporalAddress ?? '',
    DATABASE_URL: owner?.databaseUrl ?? '',
  };
  {
    await using client = await createClient({ environment: connected });
    const result = await client.result(runId);
    expect(result).toMatchObject({ status: 'completed', output: { text: 'done in attempt 2' } });
    expect(result.agents.map(({ agent, attempts }) => [agent, attempts])).toEqual([
      ['summarizer', 1],
      ['slow', 2],
    ]);
    expect(readFileSync(begun, 'utf8')).toBe('**');
  }
  second.child.kill('SIGINT');
  expect(await second.exit()).toBe(0);
});

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It went with another that it belonged to.
  }
}
