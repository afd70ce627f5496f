import { setTimeout as pause } from 'node:timers/promises';
import { z } from 'zod';
import type { AgentContext, AgentTask } from '../../src/agents/base-agent';
import { workflowIdOf } from '../../src/core/ids';
import type { Json } from '../../src/protocol/json';
import type { Step } from '../../src/protocol/plan';
import { anAgent } from '../support/agents';
import { until } from '../support/kills/until';
import { startTeam, type Team } from '../support/team';

/** How often agents began, by run and name. */
const begun = new Map<string, number>();
function begins({ runId }: AgentContext, name: string): number {
  const key = `${runId} ${name}`;
  begun.set(key, (begun.get(key) ?? 0) + 1);
  return begun.get(key) ?? 0;
}

const day = { timeoutMs: 86_400_000, staysMs: 0 };
const from = (member: string) => ({ op: 'eq', pointer: '/from', value: member }) as const;
const input = { input: z.unknown() };

/** Says something, sleeps until somebody answers it, and says what it heard. */
const patient = anAgent(
  'patient',
  async (task, context) => {
    const { bus, context: shared } = context;
    const turn = begins(context, 'patient');
    if (task.checkpoint === undefined) {
      shared.set('asked', true);
      shared.private().set('secret', 1);
      await shared.append('log', 'asked', { now: true });
      await bus.send('answerer', 'hello');
    }
    const message = await bus.receive({ ...day, filter: from('answerer'), checkpoint: { asked: turn } });
    await shared.append('log', 'heard', { now: true });
    return {
      turn,
      heard: message?.content ?? null,
      checkpoint: task.checkpoint ?? null,
      secret: (await shared.private().get('secret')) ?? null,
    };
  },
  { capabilities: ['patience'] },
);

const answerer = anAgent('answerer', async (_task, { bus, context }) => {
  const message = await bus.receive({ timeoutMs: 20_000, filter: from('patient') });
  await bus.send('patient', { re: message?.content ?? null, asked: (await context.get('asked')) ?? null });
  return 'answered';
});

/** Asks whoever it is told to, asleep until the answer comes. */
const asks = async (task: AgentTask, context: AgentContext, name: string): Promise<Json> => {
  begins(context, name);
  const { to } = task.options as { to: string };
  const reply = await context.bus.request(to, 'well?', { ...day, checkpoint: 'asked' });
  return reply.content ?? null;
};
const [alpha, beta, gamma] = ['alpha', 'beta', 'gamma'].map((name) =>
  anAgent(name, (task, context) => asks(task, context, name), input),
);

const oracle = anAgent('oracle', async (_task, { bus }) => {
  const asked = await bus.receive({ timeoutMs: 20_000 });
  if (asked === undefined) return 'nobody asked';
  await pause(500);
  await bus.respond(asked, 'so it is');
  return 'answered';
});

const sleeper = anAgent(
  'sleeper',
  async (task, { bus }) => {
    const { timeoutMs, wokenBy } = task.options as { timeoutMs: number; wokenBy: 'outside' | 'timeout' };
    const message = await bus.receive({ timeoutMs, staysMs: 0, wokenBy, checkpoint: null });
    return { heard: message?.content ?? 'nothing', checkpoint: task.checkpoint === null };
  },
  input,
);

const watcher = anAgent('watcher', async (task, { context }) => {
  const ready = { op: 'eq', pointer: '', value: 'ready' } as const;
  const reading = await context.watch('state', ready, { ...day, checkpoint: 'watching' });
  return { state: reading?.value ?? null, checkpoint: task.checkpoint ?? null };
});
const setter = anAgent('setter', async (_task, { context }) => {
  for (const state of ['starting', 'ready']) {
    await pause(300);
    await context.update('state', () => state);
  }
  return 'set';
});

/** Goes on sleeping, message by message. */
const listener = anAgent('listener', async (task, { bus }) => {
  const heard = [...((task.checkpoint ?? []) as Json[])];
  while (heard.length < 5) {
    const message = await bus.receive({ ...day, wokenBy: 'outside', checkpoint: heard });
    heard.push(message?.content ?? null);
  }
  return heard;
});
const crier = anAgent(
  'crier',
  async (task, { bus }) => {
    for (const number of [1, 2, 3, 4, 5]) {
      await pause(((task.options as { pauseMs: number }).pauseMs * number) % 97);
      await bus.send('listener', number);
    }
    return 'cried';
  },
  input,
);

let team: Team;
beforeAll(async () => {
  // One slot for agents: whoever waits holds none.
  team = await startTeam(
    [patient, answerer, alpha, beta, gamma, oracle, sleeper, watcher, setter, listener, crier].flatMap(
      (agent) => agent ?? [],
    ),
    undefined,
    { environment: { ENSEMBLE_MAX_CONCURRENT_AGENTS: '1' } },
  );
});
afterAll(() => team[Symbol.asyncDispose]());

const agent = (name: string, more: object = {}): Step => ({ type: 'agent', agent: name, ...more });
const together = (...steps: Step[]): Step => ({
  type: 'parallel',
  aggregate: 'concat',
  steps: steps.map((step) => ({ ...step, onFailure: 'fail' })),
});
/** After whoever is to have lain down by then. */
const later = (step: Step): Step => ({
  type: 'sequence',
  steps: [{ type: 'wait', for: 'timer', durationMs: 1_500 }, step],
});
const run = (plan: Step) => team.client.run({ task: 'Sleep', plan });
const asleep = (runId: string, count = 1) =>
  until(async () => {
    const { rows } = await team.admin.query(
      "select from ensemble.run_events where run_id = $1 and type = 'agent.asleep'",
      [runId],
    );
    return rows.length >= count;
  });
const registered = (runId: string, count = 1) =>
  until(async () => {
    const { rows } = await team.admin.query('select from ensemble.message_waits where run_id = $1', [runId]);
    return rows.length >= count;
  });

test('an agent that waits for long ends its turn, holds no slot, and goes on from its checkpoint', async () => {
  const { output, status, runId, agents } = await run(together(agent('patient'), later(agent('answerer'))));
  expect(status).toBe('completed');
  expect(output).toEqual([
    // It was woken with its second turn: what it wrote before was there for all, and what it said was said once.
    { turn: 2, heard: { re: 'hello', asked: true }, checkpoint: { asked: 1 }, secret: 1 },
    'answered',
  ]);
  expect(agents).toMatchObject([
    { agent: 'patient', status: 'completed', attempts: 2, failure: null },
    { agent: 'answerer' },
  ]);
  const log = await team.client.messages.history(runId);
  expect(log.map(({ from: sender, content }) => [sender, content])).toEqual([
    ['patient', 'hello'],
    ['answerer', { re: 'hello', asked: true }],
  ]);
  const changes = await team.client.contextHistory(runId, 'log');
  expect(changes.map(({ value, version }) => [value, version])).toEqual([
    ['asked', 1],
    ['heard', 2],
  ]);
  expect(await team.client.contextHistory(runId, 'asked')).toMatchObject([
    { value: true, author: 'patient' },
  ]);
});

test('a request that an agent sleeps over is asked once', async () => {
  const plan = together(agent('alpha', { input: { to: 'oracle' } }), later(agent('oracle')));
  const { output, runId, failure } = await run(plan);
  expect(failure).toBeNull();
  expect(output).toEqual(['so it is', 'answered']);
  expect(begun.get(`${runId} alpha`)).toBe(2);
  const log = await team.client.messages.history(runId);
  expect(log.map(({ type, from: sender }) => `${sender} ${type}`)).toEqual([
    'alpha request',
    'oracle response',
  ]);
});

test('a circle of sleepers ends the run, and says who waits for whom', async () => {
  const plan = together(
    agent('alpha', { input: { to: 'beta' } }),
    agent('beta', { input: { to: 'gamma' } }),
    agent('gamma', { input: { to: 'alpha' } }),
  );
  const { status, failure, agents } = await run(plan);
  expect(status).toBe('failed');
  expect(failure?.code).toBe('DEADLOCK');
  expect(failure?.message).toContain('alpha waits for beta; beta waits for gamma; gamma waits for alpha;');
  expect(agents.map(({ status: end }) => end)).toEqual(['cancelled', 'cancelled', 'cancelled']);
});

test('a sleeper who is alone is given up, unless somebody outside or its time-out may wake it', async () => {
  const stuck = await run(agent('sleeper', { input: { timeoutMs: 600_000 } }));
  expect(stuck.failure).toMatchObject({
    code: 'DEADLOCK',
    message: expect.stringContaining('sleeper waits for anybody'),
  });

  const late = await run(agent('sleeper', { input: { timeoutMs: 2_000, wokenBy: 'timeout' } }));
  expect(late.output).toEqual({ heard: 'nothing', checkpoint: true });

  const { runId } = await team.client.start({
    task: 'Sleep',
    plan: agent('sleeper', { input: { timeoutMs: 600_000, wokenBy: 'outside' } }),
  });
  await asleep(runId);
  await registered(runId);
  await team.client.messages.send(runId, { to: 'sleeper', content: 'wake up', from: 'outside' });
  expect((await team.client.result(runId)).output).toEqual({ heard: 'wake up', checkpoint: true });
  // Its bus woke it: it did not look by itself.
  const { events } = await team.temporal.workflow.getHandle(workflowIdOf(runId)).fetchHistory();
  expect((events ?? []).filter((event) => event.workflowExecutionSignaledEventAttributes)).toHaveLength(1);
});

test('an operator who delivers a dead letter to a sleeper wakes it', async () => {
  const { runId } = await team.client.start({
    task: 'Sleep',
    plan: agent('sleeper', { input: { timeoutMs: 600_000, wokenBy: 'outside' } }),
  });
  await registered(runId);
  await team.client.messages.send(runId, { to: 'nobody-here', content: 'lost', from: 'outside' });
  await until(async () => (await team.client.messages.deadLetters(runId)).length === 1);
  expect(await team.client.messages.redrive(runId, [1], 'sleeper')).toBe(1);
  expect((await team.client.result(runId)).output).toEqual({ heard: 'lost', checkpoint: true });
});

test('an agent that watches a key sleeps until it holds what is wanted', async () => {
  const { output } = await run(together(agent('watcher'), later(agent('setter'))));
  expect(output).toEqual([{ state: 'ready', checkpoint: 'watching' }, 'set']);
});

test('no message is missed that comes while its reader lies down, and each is heard once', async () => {
  const pauses = Array.from({ length: 3 }, (_, index) => 11 + index * 31);
  const runs = pauses.map((pauseMs) =>
    run(together(agent('listener'), later(agent('crier', { input: { pauseMs } })))),
  );
  for (const { output } of await Promise.all(runs)) expect(output).toEqual([[1, 2, 3, 4, 5], 'cried']);
});

test('a run that continues as new takes its sleepers along', async () => {
  const client = await team.clientOf(2);
  const { output, runId } = await client.run({
    task: 'Sleep',
    plan: together(agent('listener'), later(agent('crier', { input: { pauseMs: 60 } }))),
  });
  expect(output).toEqual([[1, 2, 3, 4, 5], 'cried']);
  const { rows } = await team.admin.query<{ turns: number }>(
    `select turn as turns from ensemble.agent_runs where run_id = $1 and agent = 'listener'`,
    [runId],
  );
  expect(rows[0]?.turns).toBeGreaterThan(1);
  const description = await team.temporal.workflow.getHandle(workflowIdOf(runId)).describe();
  const first = description.raw.workflowExecutionInfo?.firstRunId;
  expect(first).not.toBe(description.runId);
});

test('a run that is cancelled closes the rows of its sleepers', async () => {
  const { runId } = await team.client.start({
    task: 'Sleep',
    plan: agent('sleeper', { input: { timeoutMs: 600_000, wokenBy: 'outside' } }),
  });
  await asleep(runId);
  await team.client.cancel(runId);
  const { status, agents } = await team.client.result(runId);
  expect([status, agents[0]?.status, agents[0]?.failure?.code]).toEqual([
    'cancelled',
    'cancelled',
    'RUN_CANCELLED',
  ]);
  const { rows } = await team.admin.query('select from ensemble.agent_run_attempts');
  expect(rows).toEqual([]);
});
