import { z } from 'zod';
import { createRouteMessages } from '../../src/activities/route-messages';
import { busIdOf, workflowIdOf } from '../../src/core/ids';
import type { Json } from '../../src/protocol/json';
import type { Step } from '../../src/protocol/plan';
import { LOCAL_TENANT_ID } from '../../src/protocol/run';
import { createLogger } from '../../src/telemetry/log';
import { storyOf } from '../run/support/story';
import { anAgent } from '../support/agents';
import { until } from '../support/kills/until';
import { startTeam, type Team } from '../support/team';
import { talkingProcess } from './support/talk';

/** Says what its step tells it to, under a topic. */
const crier = anAgent(
  'crier',
  async (task, { bus }) => {
    const { topic, says } = task.options as { topic: string; says: Json[] };
    for (const content of says) await bus.publish(topic, content);
    return says.length;
  },
  { input: z.object({ topic: z.string(), says: z.array(z.json()) }) },
);
const sees = anAgent('sees', async (task) => {
  const heard = task.previous.filter(({ agent }) => agent === 'wait');
  return Promise.all(heard.map(async (one) => ((await one.read()) as { content: unknown }).content));
});

let team: Team;
beforeAll(async () => {
  // One slot for agents: whatever waits holds none.
  team = await startTeam([crier, sees], undefined, { environment: { ENSEMBLE_MAX_CONCURRENT_AGENTS: '1' } });
});
afterAll(() => team[Symbol.asyncDispose]());

const sequence = (...steps: Step[]): Step => ({ type: 'sequence', steps });
const parallel = (...steps: Step[]): Step => ({
  type: 'parallel',
  aggregate: 'concat',
  steps: steps.map((step) => ({ ...step, onFailure: 'fail' })),
});
const cries = (topic: string, ...says: Json[]): Step => ({
  type: 'agent',
  agent: 'crier',
  input: { topic, says },
});
const on = (topic: string) => ({ op: 'eq', pointer: '/topic', value: topic }) as const;
const wait = (more: object = {}): Step => ({
  type: 'wait',
  for: 'message',
  where: on('ready'),
  timeoutMs: 100_000,
  ...more,
});
/** Behind somebody who spoke of something else. */
const start = (plan: Step) => team.client.start({ task: 'Wait', plan: sequence(cries('hello', 1), plan) });
const run = (plan: Step) => team.client.run({ task: 'Wait', plan });
const say = (runId: string, topic: string, content: Json, more: object = {}) =>
  team.client.messages.send(runId, { topic, content, from: 'outside', ...more });
const waiting = (runId: string) =>
  until(async () => {
    const { rows } = await team.admin.query('select from ensemble.message_waits where run_id = $1', [runId]);
    return rows.length > 0;
  });

test('a step finds what was said before it waits, and is woken by what is said after', async () => {
  const before = await run(sequence(cries('ready', 'early'), wait()));
  expect(before).toMatchObject({ status: 'completed', output: { from: 'crier', content: 'early' } });

  const { runId } = await start(wait({ messageType: 'inform' }));
  await waiting(runId);
  await say(runId, 'other', 'not this');
  await say(runId, 'ready', 'not of this type', { type: 'event' });
  await say(runId, 'ready', 'now');
  await say(runId, 'ready', 'too late');
  const { output } = await team.client.result(runId);
  expect(output).toMatchObject({ from: 'client:outside', topic: 'ready', content: 'now', seq: 4 });
  const { rows } = await team.admin.query('select from ensemble.message_waits where run_id = $1', [runId]);
  expect(rows).toEqual([]);
  // Its bus woke it: it did not look by itself.
  const { events } = await team.temporal.workflow.getHandle(workflowIdOf(runId)).fetchHistory();
  const signals = (events ?? []).filter((event) => event.workflowExecutionSignaledEventAttributes);
  expect(signals).toHaveLength(1);
});

test('large bodies are chosen by what is in them, and what follows sees them', async () => {
  const filler = 'x'.repeat(20_000);
  const where = { op: 'and', of: [on('offer'), { op: 'gt', pointer: '/content/price', value: 10 }] };
  const sure = { op: 'eq', pointer: '/last/content/price', value: 12 } as const;
  const { runId } = await start(sequence(wait({ where }), { type: 'agent', agent: 'sees', when: sure }));
  await waiting(runId);
  for (const price of [8, 9, 12]) await say(runId, 'offer', { price, filler: filler.slice(0, 15_000) });
  expect(await team.client.result(runId)).toMatchObject({ output: [{ price: 12 }] });

  const inside = await run(
    parallel(sequence(wait({ where }), { type: 'agent', agent: 'sees', when: sure }), {
      ...cries('offer', { price: 7, filler }, { price: 12, filler }),
    }),
  );
  expect(inside).toMatchObject({ status: 'completed', output: [[{ price: 12, filler }], 2] });
});

test('each round of a loop waits for the next message, over histories that continue as new', async () => {
  const client = await team.clientOf(3);
  const plan = parallel(
    {
      type: 'loop',
      step: wait({ where: on('tick') }),
      until: { op: 'eq', pointer: '/last/content', value: 6 },
      maxIterations: 20,
    },
    wait({ where: on('end') }),
    sequence(
      cries('tick', 1, 2),
      { type: 'wait', for: 'timer', durationMs: 50 },
      cries('tick', 3, 4),
      { type: 'wait', for: 'timer', durationMs: 50 },
      cries('tick', 5, 6),
      cries('end', 'over'),
    ),
  );
  const { runId, status, output } = await client.run({ task: 'Wait', plan });
  expect({ status, output }).toMatchObject({
    status: 'completed',
    output: [{ content: 6 }, { content: 'over' }, 1],
  });
  const ended = (await storyOf(client, runId)).filter(({ type }) => type === 'step.decided');
  // Six messages, six rounds: none was heard twice and none was missed.
  expect(ended.filter(({ data }) => data['kind'] === 'loop' && data['chosen'] === 'repeat')).toHaveLength(5);
});

test('it ends at its deadline, typed, and with the run that is cancelled', async () => {
  const late = await run(sequence(cries('other', 1), wait({ timeoutMs: 300 })));
  expect(late).toMatchObject({ status: 'failed', failure: { code: 'STEP_TIMEOUT' } });
  expect(late.failure?.message).toContain('No message that the step waits for came within 300 ms');
  const { runId } = await start(wait());
  await waiting(runId);
  await team.client.cancel(runId);
  expect(await team.client.result(runId)).toMatchObject({ status: 'cancelled' });
});

test('what was published for a moment only counts where the step waited already', async () => {
  const ttl = { ttlMs: 1 };
  const { runId } = await start(
    sequence(
      wait({ where: on('go') }),
      wait({ timeoutMs: 1_000, onFailure: { fallback: { value: 'none' } } }),
    ),
  );
  await waiting(runId);
  await say(runId, 'ready', 'gone by then', ttl);
  await say(runId, 'go', 'just in time', ttl);
  expect(await team.client.result(runId)).toMatchObject({ status: 'completed', output: 'none' });
});

test('a wake-up that is lost costs time and no message', async () => {
  const { runId } = await start(wait());
  await waiting(runId);
  await say(runId, 'other', 'starts the bus');
  await team.temporal.workflow.getHandle(busIdOf(runId)).terminate('lost with everything it had to say');
  await using outside = talkingProcess(team.environment);
  const log = createLogger({ level: 'silent', format: 'json' });
  const route = createRouteMessages({ repositories: outside.repositories, log });
  const item = { topic: 'ready', type: 'inform', content: 'routed' };
  const key = { tenantId: LOCAL_TENANT_ID, runId };
  const once = await route(key, { publisher: 'client:router', from: 1, items: [item] });
  expect(once).toEqual({ closed: false, wakes: [{ address: '2', seq: 3 }] });
  // Its answer may be what was lost: until the step has looked, every call gives it again.
  expect(await route(key)).toEqual(once);
  expect(await team.client.result(runId)).toMatchObject({ output: { content: 'routed' } });
  expect(await route(key)).toEqual({ closed: true });
}, 120_000);
