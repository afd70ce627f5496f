import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from '../../src/client/connect';
import type { EnsembleClient } from '../../src/client/ensemble-client';
import type { WorkerMessage } from '../../src/cli/worker';
import type { RunResult } from '../../src/protocol/run';
import { Cleanup } from '../../src/runtime/cleanup';
import { createTestDatabase } from '../db/support/database';
import { temporaryFolder } from '../support/team';

/** Far beyond any limit of what runs here. */
const STUCK_AFTER_MS = 60_000;

const cleanup = new Cleanup();
let client: EnsembleClient;
let worker: ChildProcess;
let ready: Extract<WorkerMessage, { type: 'ready' }>;
let said = '';

const BEHAVIOURS = join(__dirname, 'behaviours.js');
const { BEHAVIOURS: known } = require(BEHAVIOURS) as {
  readonly BEHAVIOURS: Readonly<Record<string, unknown>>;
};

/** A worker as it is deployed, with nothing but its environment to tell it of the agents. */
beforeAll(async () => {
  const database = cleanup.use(await createTestDatabase());
  const folder = temporaryFolder('ensemble-bad-agents');
  cleanup.defer(() => folder[Symbol.dispose]());
  const write = (name: string, source: string) => writeFileSync(join(folder.path, `${name}.js`), source);
  for (const name of Object.keys(known))
    write(name, `exports.X = require(${JSON.stringify(BEHAVIOURS)}).agentOf('${name}');`);
  write('0-throws', "throw new Error('not today');");
  write('1-leaves', "void Promise.reject(new Error('left at import'));");
  write('2-throws-later', "setTimeout(() => { throw new Error('thrown after import'); }, 10);");
  const { PATH, HOME } = process.env;
  const environment = {
    PATH,
    HOME,
    TEMPORAL_ADDRESS: process.env['ENSEMBLE_TEST_TEMPORAL_ADDRESS'],
    DATABASE_URL: database.appUrl,
    ENSEMBLE_TASK_QUEUE: `bad-agents-${crypto.randomUUID()}`,
    ENSEMBLE_AGENTS_PATH: folder.path,
    ENSEMBLE_LOG_FORMAT: 'json',
  };
  worker = fork(resolve('lib/worker.js'), [], {
    env: environment,
    execArgv: [],
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  cleanup.defer(async () => {
    if (worker.exitCode !== null || worker.signalCode !== null) return;
    worker.kill('SIGKILL');
    await once(worker, 'exit');
  });
  worker.stderr?.setEncoding('utf8').on('data', (text: string) => (said += text));
  const [message] = (await once(worker, 'message')) as [WorkerMessage];
  if (message.type === 'failed') throw new Error(message.message);
  ready = message;
  client = cleanup.use(await createClient({ environment }));
}, 60_000);
afterAll(() => cleanup[Symbol.asyncDispose]());

async function run(agent: string, more: { readonly timeoutMs?: number } = {}): Promise<RunResult> {
  const retry = { maxAttempts: 2, initialIntervalMs: 20 };
  const ended = client.run({ task: agent, plan: { type: 'agent', agent, retry, ...more } });
  const stuck = new AbortController();
  const late = sleep(STUCK_AFTER_MS, undefined, { signal: stuck.signal }).then(() => {
    throw new Error(`${agent} never ended`);
  });
  return Promise.race([ended, late]).finally(() => {
    late.catch(() => undefined);
    stuck.abort();
  });
}

function loggedLines(): readonly Readonly<Record<string, unknown>>[] {
  const lines = said.split('\n').filter((line) => line.startsWith('{') && line.endsWith('}'));
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

async function logged(wanted: Readonly<Record<string, unknown>>): Promise<Readonly<Record<string, unknown>>> {
  const isWanted = (line: Readonly<Record<string, unknown>>): boolean =>
    Object.entries(wanted).every(([key, value]) => line[key] === value);
  for (const deadline = Date.now() + 20_000; Date.now() < deadline; await sleep(50)) {
    const line = loggedLines().find(isWanted);
    if (line !== undefined) return line;
  }
  throw new Error(`Never logged: ${JSON.stringify(wanted)}`);
}

/** What docs/agents.md says of each agent here: `completed`, or the failure's code. */
function documented(): Readonly<Record<string, string>> {
  const guide = readFileSync('docs/agents.md', 'utf8');
  const table = /<!-- bad agents: kept by test\/bad-agents -->\n(.*?)<!--/s.exec(guide)?.[1] ?? '';
  const rows = [...table.matchAll(/^\| `([\w-]+)` \|[^|]*\| (?:`(\w+)`|(completed))/gm)];
  return Object.fromEntries(rows.map(([, name = '', code, completed]) => [name, code ?? completed ?? '']));
}

const OUTCOMES = documented();
/** Those with a test of their own. */
const APART = ['steady', 'ignores-cancellation', 'blocks-10-s'];

test('the guide tells of every one of them', () => {
  expect(Object.keys(OUTCOMES).toSorted()).toEqual(
    Object.keys(known)
      .filter((name) => name !== 'steady')
      .toSorted(),
  );
});

test('files that throw, or leave a rejection or a throw behind, keep neither the worker nor the others from loading', async () => {
  expect(ready.agents).toEqual(expect.arrayContaining(Object.keys(known)));
  expect(ready.problems).toMatchObject([{ reason: 'cannot be loaded: not today' }]);
  const stray = 'an agent left an error that nobody caught; the worker goes on';
  expect(await logged({ msg: stray, error: 'left at import' })).toMatchObject({
    file: expect.stringMatching(/1-leaves\.js$/),
  });
  await logged({ msg: stray, error: 'thrown after import' });
  expect(worker.exitCode).toBeNull();
});

test('each ends as the guide says, while others go on in the same worker', async () => {
  const steady = { type: 'agent' as const, agent: 'steady' };
  const others = client.run({
    task: 'Be steady',
    plan: { type: 'sequence', steps: Array.from({ length: 20 }, () => steady) },
  });
  const ends: Record<string, RunResult> = {};
  for (const name of Object.keys(OUTCOMES)) {
    if (APART.includes(name)) continue;
    const timeoutMs = /never-returns|waits-for/.test(name) ? 300 : undefined;
    ends[name] = await run(name, timeoutMs === undefined ? {} : { timeoutMs });
  }
  const outcomes = Object.entries(ends).map(([name, end]) => [name, end.failure?.code ?? end.status]);
  const expected = Object.entries(OUTCOMES).filter(([name]) => !APART.includes(name));
  expect(Object.fromEntries(outcomes)).toEqual(Object.fromEntries(expected));
  for (const { failure } of Object.values(ends)) {
    expect(failure?.message ?? '').not.toMatch(/\p{Cc}/u);
    expect((failure?.message ?? '').length).toBeLessThan(1_010);
  }
  expect(ends['throws-hostile']?.failure?.message).toMatch(
    /^Error: line break \[31m \[key\] postgres:\/\/\[login\]@db\/x \[key\] x+\.\.\.$/,
  );
  expect(ends['throws-null']?.failure?.message).toBe('null');
  expect(ends['throws-unreadable']?.failure?.message).toBe('something that cannot be read');
  for (const [agent, error] of [
    ['stray-rejection', 'nobody waits for me'],
    ['stray-throw', 'nobody catches me'],
    ['waits-for-stray-throw', 'nobody catches me'],
  ] as const)
    expect(await logged({ agent, error, level: 'error' })).toMatchObject({ runId: ends[agent]?.runId });

  expect(await others).toMatchObject({ status: 'completed', degraded: [] });
  expect(worker.exitCode).toBeNull();
}, 180_000);

test('what an agent left running can do nothing more under its name', async () => {
  const { runId } = await run('goes-on-after-end');
  const { became } = await logged({ msg: 'afterwards', runId });
  const names = Object.keys(became as object);
  expect(names).toHaveLength(9);
  expect(became).toEqual(Object.fromEntries(names.map((name) => [name, 'ATTEMPT_FENCED'])));
  expect(await client.toolCalls(runId)).toEqual([]);
  expect(await client.modelCalls(runId)).toEqual([]);
});

test('an agent that ignores its cancellation holds its run up no longer than a heartbeat', async () => {
  const agent = 'ignores-cancellation';
  const { runId } = await client.start({ task: 'Stop', plan: { type: 'agent', agent } });
  for await (const event of client.events(runId)) if (event.type === 'agent.started') break;
  await client.cancel(runId);
  expect((await client.result(runId)).failure?.code).toBe(OUTCOMES[agent]);
}, 60_000);

test('an agent that blocks its worker for 10 s ends all the same, and so do the others', async () => {
  const steady = { type: 'agent' as const, agent: 'steady' };
  const [blocked, others] = await Promise.all([
    run('blocks-10-s'),
    client.run({ task: 'Be steady', plan: { type: 'sequence', steps: [steady, steady, steady] } }),
  ]);
  expect(blocked.failure?.code ?? blocked.status).toBe(OUTCOMES['blocks-10-s']);
  expect(others).toMatchObject({ status: 'completed', degraded: [] });
  expect(worker.exitCode).toBeNull();
}, 120_000);
