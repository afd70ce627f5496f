import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { Json, JsonObject } from '../../src/protocol/json';
import { LIMITS } from '../../src/protocol/limits';
import type { MapStep, Step } from '../../src/protocol/plan';
import { anAgent } from '../support/agents';
import { historyOf, textsIn } from '../support/kills/history';
import { startTeam, type Team } from '../support/team';
import { storyOf } from './support/story';

/** `npm run test:long` does as many as there may be. */
const SIZE =
  process.env['ENSEMBLE_TEST_LONG'] === '1'
    ? { entries: LIMITS.mapItems, startsPerHistory: 450 }
    : { entries: 300, startsPerHistory: 90 };
const FILLER = 'f'.repeat(200);
/** Larger than what many outputs may travel with. */
const NOTE = 'n'.repeat(150);
const calls = new Map<string, number>();
let atWork = 0;
let mostAtWork = 0;

/** Files with parts, each of them with what makes a list too large to travel. */
function files(count: number): JsonObject[] {
  return Array.from({ length: count }, (_, i) => ({
    name: `file-${i}`,
    kind: i % 2 === 0 ? 'even' : 'odd',
    parts: Array.from({ length: i % 3 }, (_part, n) => ({ n })),
    filler: FILLER,
  }));
}

const agents = [
  anAgent('lists', (task) => ({ files: files((task.options as { count: number }).count) }), {
    input: z.object({ count: z.number() }),
  }),
  anAgent('names', async (task, { runId }) => {
    const { item, index, previous } = task;
    const call = `${runId} ${index}`;
    calls.set(call, (calls.get(call) ?? 0) + 1);
    atWork += 1;
    mostAtWork = Math.max(mostAtWork, atWork);
    await new Promise((resolve) => setImmediate(resolve));
    atWork -= 1;
    return {
      index,
      name: (item as { name?: string } | null)?.name ?? item,
      before: previous.length,
      note: NOTE,
    };
  }),
  anAgent('picky', (task) => {
    if (task.index === 1) throw new Error('not this one');
    return { took: task.index };
  }),
  anAgent('waits', (_task, { signal }) => sleep(60_000, undefined, { signal })),
  anAgent('sees', (task) => ({ input: task.input, item: task.item ?? 'none' })),
  anAgent('before', async (task) =>
    [...((await task.earlier?.()) ?? []), ...task.previous].map(({ address }) => address),
  ),
  anAgent(
    'sets',
    (task, { context }) => {
      context.set('list', (task.options as { list: Json }).list);
      return 'set';
    },
    { input: z.unknown() },
  ),
];

let team: Team;
beforeAll(async () => {
  team = await startTeam(agents);
});
afterAll(() => team[Symbol.asyncDispose]());

const agent = (name: string, more: object = {}): Step => ({ type: 'agent', agent: name, ...more });
const sequence = (...steps: Step[]): Step => ({ type: 'sequence', steps });
const mapOver = (over: string, step: Step, more: Partial<MapStep> = {}): Step => ({
  type: 'map',
  over,
  step,
  ...more,
});
const once = { retry: { maxAttempts: 1 } };
const run = (plan: Step, input: JsonObject = {}) => team.client.run({ task: 'Go over it', plan, input });

test('each of three entries is given to an agent of its own; the outputs are in their order', async () => {
  const plan = sequence(agent('sees'), mapOver('/input/list', agent('names')), agent('before'));
  const result = await run(sequence(plan, mapOver('/input/list', agent('names'), { id: 'all' })), {
    list: ['a', { name: 'b' }, null],
  });
  const named = [
    { index: 0, name: 'a', before: 0, note: NOTE },
    { index: 1, name: 'b', before: 0, note: NOTE },
    { index: 2, name: null, before: 0, note: NOTE },
  ];
  expect(result).toMatchObject({ status: 'completed', degraded: [], output: named });
  const addresses = result.agents.map(({ address }) => address);
  expect(addresses).toEqual(expect.arrayContaining(['1.2.1', '1.2.1#2', '1.2.1#3', '2.1', '2.1#2', '2.1#3']));
  expect(await team.client.output(result.runId, '1.3')).toEqual(['1.1', '1.2.1', '1.2.1#2', '1.2.1#3']);
});

test('an empty list is done at once', async () => {
  const result = await run(mapOver('/input/list', agent('names')), { list: [] });
  expect(result).toMatchObject({ status: 'completed', output: [], agents: [] });
});

test('a list in a blob stays there: the workflow learns its length and what is asked of its entries', async () => {
  const when = { op: 'eq', pointer: '/item/kind', value: 'odd' } as const;
  const plan = sequence(
    agent('lists', { input: { count: 60 } }),
    mapOver(
      '/last/files',
      sequence(agent('names', { when }), mapOver('/item/parts', agent('names'), { maxItems: 2 })),
    ),
  );
  const { runId, output, status } = await run(plan);
  expect(status).toBe('completed');
  expect((output as Json[][]).map((parts) => parts.length)).toEqual(files(60).map((_, i) => i % 3));
  const story = await storyOf(team.client, runId);
  const left = story.filter(({ type, data }) => type === 'step.decided' && data['chosen'] === 'leave out');
  expect(left).toHaveLength(30);
  expect(textsIn(await historyOf(team.temporal, runId))).not.toContain(FILLER);
});

test(`${SIZE.entries} entries, ten at a time, over several workflows: each once, all in order`, async () => {
  const { entries, startsPerHistory } = SIZE;
  const client = await team.clientOf(startsPerHistory);
  mostAtWork = 0;
  const when = { op: 'exists', pointer: '/item/name' } as const;
  const body = sequence(agent('names', { when }));
  const more = { maxItems: entries, maxConcurrency: 10, id: 'all' };
  const notes = sequence(agent('lists', { input: { count: entries } }), mapOver('/last/files', body, more));
  const plan = sequence(notes, agent('before'));
  const { runId, status, failure } = await client.run({ task: 'Go over all', plan });
  expect([status, failure]).toEqual(['completed', null]);
  const addresses = files(entries).map((_, i) => (i === 0 ? '1.2.1.1' : `1.2.1#${i + 1}.1`));
  expect(await client.output(runId, '2')).toEqual(['1.1', ...addresses]);
  for (const index of [0, 7, entries - 1])
    expect(await client.output(runId, addresses[index] ?? '')).toMatchObject({
      index,
      name: `file-${index}`,
    });
  expect(addresses.map((_, i) => calls.get(`${runId} ${i}`))).toEqual(addresses.map(() => 1));
  expect(mostAtWork).toBeLessThanOrEqual(10);
  const events = await historyOf(team.temporal, runId);
  expect(events[0]?.workflowExecutionStartedEventAttributes?.continuedExecutionRunId).toBeTruthy();
  expect(textsIn(events)).not.toContain(FILLER);
}, 300_000);

test('what the map came to over several workflows is one list', async () => {
  const list = Array.from({ length: 12 }, (_, i) => i);
  const client = await team.clientOf(3);
  const plan = mapOver('/input/list', agent('names'), { maxConcurrency: 5 });
  const result = await client.run({ task: 'Go over it', plan, input: { list } });
  expect(result.output).toEqual(list.map((index) => expect.objectContaining({ index, name: index })));
  expect(result.agents).toHaveLength(12);
}, 120_000);

test('the list is the one of the beginning, whatever becomes of its key meanwhile', async () => {
  const client = await team.clientOf(2);
  const set = (list: Json): Step => agent('sets', { input: { list } });
  const plan = sequence(
    set([1, 2, 3, 4]),
    mapOver('/context/list', sequence(agent('names'), set([])), { maxConcurrency: 1, id: 'all' }),
  );
  const { output } = await client.run({ task: 'Keep it', plan });
  expect(output).toEqual(['set', 'set', 'set', 'set']);
}, 120_000);

test('an entry that fails is skipped where the step says so, and null stands in its place', async () => {
  const plan = mapOver('/input/list', agent('picky', { ...once, onFailure: 'skip' }));
  const { status, output, degraded } = await run(plan, { list: [5, 6, 7] });
  expect([status, output]).toEqual(['completed', [{ took: 0 }, null, { took: 2 }]]);
  expect(degraded).toMatchObject([{ address: '1#2', agent: 'picky', instead: 'skipped' }]);
  const instead = mapOver(
    '/input/list',
    agent('picky', { ...once, onFailure: { fallback: { value: 'instead' } } }),
  );
  expect((await run(instead, { list: [5, 6] })).output).toEqual([{ took: 0 }, 'instead']);
});

test('an entry that fails for good ends the map, and the others stop', async () => {
  const isSecond = { op: 'eq', pointer: '/index', value: 1 } as const;
  const fails = sequence({ type: 'wait', for: 'timer', durationMs: 300 }, agent('picky', once));
  const waits = agent('waits', { when: { op: 'not', of: isSecond } });
  const plan = mapOver('/input/list', sequence({ ...fails, when: isSecond }, waits));
  const { status, failure, agents: executions } = await run(plan, { list: [1, 2, 3] });
  expect([status, failure?.code]).toEqual(['failed', 'AGENT_FAILED']);
  const ends = executions.map(({ address, status: end }) => `${address} ${end}`);
  expect(ends.toSorted()).toEqual(['1#2.1.2 failed', '1#3.2 cancelled', '1.2 cancelled']);
});

test.each([
  ['longer than it may be', { list: [1, 2, 3] }, 'STEP_LIMIT', "has 3 entries; the step's limit is 2"],
  ['in a blob and longer than it may be', { list: files(200) }, 'STEP_LIMIT', 'has 200 entries'],
  ['no list', { list: { a: 1 } }, 'STEP_INPUT_INVALID', 'There is no list at "/input/list"'],
  ['no list, in a blob', { list: { a: 'x'.repeat(20_000) } }, 'STEP_INPUT_INVALID', 'There is no list'],
  ['not there', {}, 'STEP_INPUT_INVALID', 'There is no list at "/input/list"'],
])('a list that is %s fails the step', async (_what, input, code, message) => {
  const plan = mapOver('/input/list', agent('names'), { maxItems: 2 });
  const { status, failure, agents: executions } = await run(plan, input);
  expect([status, failure?.code, executions]).toEqual(['failed', code, []]);
  expect(failure?.message).toContain(message);
});

test('what predicates ask of all entries has a limit', async () => {
  const keys = ['a', 'b', 'c'];
  const of = keys.map((key) => ({ op: 'eq', pointer: `/item/${key}`, value: 'x' }) as const);
  const entry = Object.fromEntries(keys.map((key) => [key, 'x'.repeat(260)]));
  const list = Array.from({ length: 250 }, () => entry);
  const plan = mapOver('/input/list', agent('names', { when: { op: 'or', of } }), { maxItems: 250 });
  const { failure } = await run(plan, { list });
  expect(failure).toMatchObject({ code: 'STEP_LIMIT' });
  expect(failure?.message).toContain(`the limit is ${LIMITS.entryFactsBytes}`);
});

test('a child run in a map is there for its entry', async () => {
  const plan = mapOver('/input/list', { type: 'run', plan: agent('sees') });
  const { output } = await run(plan, { list: ['a', 'b'] });
  expect(output).toEqual([
    { input: { item: 'a', index: 0 }, item: 'none' },
    { input: { item: 'b', index: 1 }, item: 'none' },
  ]);
});

test('a map that may come to more than a run may is refused before it starts', async () => {
  const body = sequence(...Array.from({ length: 6 }, () => agent('names')));
  const plan = mapOver('/input/list', body, { maxItems: LIMITS.mapItems });
  await expect(run(plan)).rejects.toMatchObject({
    code: 'PLAN_INVALID',
    message: expect.stringContaining('can come to 6000 agent executions; the limit is 5000'),
  });
});
