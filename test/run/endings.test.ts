import { setTimeout as sleep } from 'node:timers/promises';
import type { RunEvent } from '../../src/protocol/event';
import { anAgent } from '../support/agents';
import { startTeam, type Team } from '../support/team';

const aborted: string[] = [];
const agents = [
  anAgent('quick', () => 'quick'),
  anAgent('waits', async (_task, { signal, runId }) => {
    await sleep(60_000, undefined, { signal }).catch((error: unknown) => {
      aborted.push(runId);
      throw error;
    });
  }),
  anAgent('deaf', () => new Promise(() => undefined)),
];

let team: Team;
beforeAll(async () => {
  team = await startTeam(agents);
});
afterAll(() => team[Symbol.asyncDispose]());

async function untilEvent(runId: string, type: RunEvent['type'], agent?: string): Promise<void> {
  for await (const event of team.client.events(runId))
    if (event.type === type && (agent === undefined || event.agent === agent)) return;
  throw new Error(`The run ended without ${type}`);
}

test('a cancelled run tells its agents, keeps what was done, and ends cancelled everywhere', async () => {
  const { runId } = await team.client.start({
    task: 'Stop',
    plan: { strategy: 'sequential', agents: ['quick', 'waits', 'quick'] },
  });
  await untilEvent(runId, 'agent.started', 'waits');
  await team.client.cancel(runId);
  const result = await team.client.result(runId);
  expect(result).toMatchObject({ status: 'cancelled', failure: { code: 'RUN_CANCELLED' } });
  expect(result.agents.map(({ agent, status }) => [agent, status])).toEqual([
    ['quick', 'completed'],
    ['waits', 'cancelled'],
  ]);
  const description = await team.temporal.workflow.getHandle(`run-${runId}`).describe();
  expect(description.status.name).toBe('CANCELLED');
  for (let i = 0; i < 100 && !aborted.includes(runId); i += 1) await sleep(100);
  expect(aborted).toContain(runId);
});

test('an agent past its time limit fails with AGENT_TIMEOUT, also one that ignores its signal', async () => {
  const step = {
    type: 'agent' as const,
    agent: 'deaf',
    timeoutMs: 150,
    retry: { maxAttempts: 2, initialIntervalMs: 20 },
  };
  const result = await team.client.run({ task: 'Hurry', plan: step });
  expect(result).toMatchObject({
    status: 'failed',
    failure: { code: 'AGENT_TIMEOUT', message: 'The agent did not finish within its limit of 150 ms' },
  });
  expect(result.agents[0]?.attempts).toBe(2);
});

test('when one branch fails for good, its siblings are stopped and named', async () => {
  const result = await team.client.run({
    task: 'All or nothing',
    plan: {
      type: 'parallel',
      steps: [
        { type: 'agent', agent: 'waits' },
        { type: 'agent', agent: 'deaf', timeoutMs: 100, retry: { maxAttempts: 1 }, onFailure: 'fail' },
      ],
    },
  });
  expect(result).toMatchObject({ status: 'failed', failure: { code: 'AGENT_TIMEOUT' } });
  expect(result.agents.map(({ agent, status }) => `${agent} ${status}`).toSorted()).toEqual([
    'deaf failed',
    'waits cancelled',
  ]);
});

test('a run that was terminated from outside is settled, not running for ever', async () => {
  const { runId } = await team.client.start({ task: 'Gone', plan: { type: 'agent', agent: 'deaf' } });
  await untilEvent(runId, 'agent.started');
  await team.temporal.workflow.getHandle(`run-${runId}`).terminate('an operator said so');
  const result = await team.client.result(runId);
  expect(result).toMatchObject({ status: 'failed', failure: { code: 'RUN_TERMINATED' } });
  expect(result.agents).toMatchObject([{ agent: 'deaf', status: 'cancelled' }]);
});

test('the retry policy of an agent is 2 s, 4 s, 8 s, then given up', async () => {
  const { runId } = await team.client.run({ task: 'Policy', plan: { type: 'agent', agent: 'quick' } });
  const { events } = await team.temporal.workflow.getHandle(`run-${runId}`).fetchHistory();
  const [scheduled] = (events ?? []).flatMap((event) => event.activityTaskScheduledEventAttributes ?? []);
  expect(scheduled?.activityId).toBe('0 quick');
  expect(scheduled?.retryPolicy).toMatchObject({ backoffCoefficient: 2, maximumAttempts: 4 });
  expect(Number(scheduled?.retryPolicy?.initialInterval?.seconds)).toBe(2);
  expect(Number(scheduled?.retryPolicy?.maximumInterval?.seconds)).toBe(8);
});

test('events can be followed from any cursor, each once and in order', async () => {
  const { runId } = await team.client.run({
    task: 'Follow',
    plan: { strategy: 'sequential', agents: ['quick', 'quick'] },
  });
  const all: number[] = [];
  for await (const { seq } of team.client.events(runId)) all.push(seq);
  expect(all).toEqual(Array.from({ length: all.length }, (_, i) => i + 1));
  const rest: number[] = [];
  for await (const { seq } of team.client.events(runId, { after: 3 })) rest.push(seq);
  expect(rest).toEqual(all.slice(3));
  for await (const event of team.client.events(runId, { after: all.length }))
    throw new Error(`unexpected ${event.type}`);
});

describe('bad input ends in one clear line and starts nothing', () => {
  const plan = { strategy: 'sequential' as const, agents: ['quick'] };
  test.each([
    [
      'an unknown agent',
      { task: 't', plan: { ...plan, agents: ['quik'] } },
      'AGENT_UNKNOWN',
      /did you mean "quick"/,
    ],
    ['an empty task', { task: '  ', plan }, 'INPUT_INVALID', /task must not be empty/],
    [
      'a task too long',
      { task: 'x'.repeat(70_000), plan },
      'INPUT_TOO_LARGE',
      /task has 70000 bytes; the limit is 65536/,
    ],
    [
      'an input too large',
      { task: 't', plan, input: { x: 'y'.repeat(300_000) } },
      'INPUT_TOO_LARGE',
      /input has/,
    ],
    ['a null byte', { task: 'a\u0000b', plan }, 'INPUT_INVALID', /task holds a null character/],
    [
      'half a surrogate pair',
      { task: 't', plan, input: { x: '\ud800' } },
      'INPUT_INVALID',
      /input holds half a surrogate/,
    ],
  ])('%s', async (_, request, code, message) => {
    const before = await team.client.list({ limit: 100 });
    await expect(team.client.start(request)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
    expect(await team.client.list({ limit: 100 })).toHaveLength(before.length);
  });

  test('a run id that is none', async () => {
    await expect(team.client.result('nonsense')).rejects.toMatchObject({ code: 'RUN_UNKNOWN' });
    await expect(team.client.result(crypto.randomUUID())).rejects.toMatchObject({ code: 'RUN_UNKNOWN' });
  });
});

test('fifty starts with one idempotency key are one run; another request under the key is refused', async () => {
  const request = {
    task: 'Once',
    plan: { type: 'agent' as const, agent: 'quick' },
    idempotencyKey: 'only-once',
  };
  const started = await Promise.all(Array.from({ length: 50 }, () => team.client.start(request)));
  expect(new Set(started.map(({ runId }) => runId)).size).toBe(1);
  expect(started.filter(({ created }) => created)).toHaveLength(1);
  await expect(team.client.start({ ...request, task: 'Twice' })).rejects.toMatchObject({
    code: 'IDEMPOTENCY_CONFLICT',
  });
});
