import { z } from 'zod';
import type { EnsembleClient } from '../../src/client/ensemble-client';
import { workflowIdOf } from '../../src/core/ids';
import type { AgentTask } from '../../src/agents/base-agent';
import type { JsonObject } from '../../src/protocol/json';
import type { Step } from '../../src/protocol/plan';
import type { ExecuteAgentInput, RunWorkflowInput } from '../../src/protocol/run';
import { textOf } from '../../src/core/text';
import { anAgent } from '../support/agents';
import { startTeam, type Team } from '../support/team';
import { storyOf } from './support/story';

const long = process.env['ENSEMBLE_TEST_LONG'] === '1';
const counts = new Map<string, number>();
const calls = new Map<string, number>();

const addressesOf = async (task: AgentTask): Promise<string[]> =>
  [...((await task.earlier?.()) ?? []), ...task.previous].map(({ address }) => address);

const agents = [
  anAgent(
    'step',
    (task, { agentRunId }) => {
      calls.set(agentRunId, (calls.get(agentRunId) ?? 0) + 1);
      return { said: task.options ?? 'nothing' };
    },
    { input: z.unknown() },
  ),
  anAgent('counts', (_task, { runId }) => {
    counts.set(runId, (counts.get(runId) ?? 0) + 1);
    return { n: counts.get(runId), filler: 'x'.repeat(10_000) };
  }),
  anAgent('sees', addressesOf),
  anAgent(
    'hoards',
    (task, { context }) => {
      const { from, keys } = task.options as { from: number; keys: number };
      for (let i = 0; i < keys; i += 1)
        context.set(`key-${from + i}`, { text: 'y'.repeat(500), number: from + i });
      return 'hoarded';
    },
    { input: z.unknown() },
  ),
  anAgent('broken', () => {
    throw new Error('always broken');
  }),
];

let team: Team;
beforeAll(async () => {
  team = await startTeam(agents);
});
afterAll(() => team[Symbol.asyncDispose]());

const agent = (name: string, more: object = {}): Step => ({ type: 'agent', agent: name, ...more });
const sequence = (steps: readonly Step[], more: object = {}): Step => ({ type: 'sequence', steps, ...more });
const steps = (count: number): Step[] =>
  Array.from({ length: count }, (_, i) => agent('step', { input: i + 1 }));

/** A bit of everything, under way in several places when a history is full. */
const MIXTURE: Step = sequence([
  agent('step', { input: 'first', id: 'first' }),
  {
    type: 'parallel',
    steps: [
      sequence(steps(7)),
      {
        type: 'loop',
        step: sequence([agent('counts', { id: 'tally' }), agent('step')]),
        until: { op: 'gte', pointer: '/outputs/tally/n', value: 4 },
        maxIterations: 9,
      },
      {
        type: 'adaptive',
        first: 'a',
        options: ['a', 'b'].map((id) => ({
          id,
          step: agent('step', { input: { next: id === 'a' ? 'b' : null } }),
        })),
        handOff: '/said/next',
        router: { by: 'rules', rules: [], otherwise: 'finish' },
      },
      sequence([agent('step'), { type: 'wait', for: 'timer', durationMs: 1_500 }, agent('sees')]),
      sequence([agent('step'), agent('broken', { retry: { maxAttempts: 1 } })], {
        retry: { maxAttempts: 2, initialIntervalMs: 800 },
        onFailure: { fallback: { agent: 'step' } },
      }),
      { type: 'run', plan: sequence([...steps(5), agent('sees')]) },
    ],
    aggregate: 'concat',
  },
  agent('step', { when: { op: 'eq', pointer: '/outputs/first/said', value: 'first' }, input: 'last' }),
  agent('sees'),
]);

/** How often the run's workflow has continued as new, and how many bytes it carried on the last time. */
async function carriedBy(runId: string): Promise<{ continued: number; bytes: number }> {
  const { events } = await team.temporal.workflow.getHandle(workflowIdOf(runId)).fetchHistory();
  const [payload] = events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads ?? [];
  const { carried } = JSON.parse(Buffer.from(payload?.data ?? []).toString()) as RunWorkflowInput;
  return { continued: carried?.continued ?? 0, bytes: JSON.stringify(carried ?? null).length };
}

/** What a run came to, without what differs from run to run. */
async function fruitOf(client: EnsembleClient, plan: Step) {
  const { runId, ...result } = await client.run({ task: 'Go on', plan });
  const story = await storyOf(client, runId);
  const lines = story.map(({ type, address = '', data }) => {
    const decided =
      type === 'step.decided' ? ` ${textOf(data['kind'] ?? '')} ${textOf(data['chosen'] ?? '')}` : '';
    return `${type} ${address}${decided}`;
  });
  expect(story.map(({ seq }) => seq)).toEqual(story.map((_, index) => index + 1));
  const { status, output, failure, degraded, agents: executions } = result;
  const run = executions.map(({ address, status: its, attempts }) => `${address} ${its} ${attempts}`);
  return {
    runId,
    fruit: { status, output, failure, degraded, executions: run.toSorted(), story: lines.toSorted() },
  };
}

test('a run that continues as new wherever it can comes to the same as one that never does', async () => {
  const reference = await fruitOf(await team.clientOf(500), MIXTURE);
  expect(reference.fruit.status).toBe('completed');
  expect((await carriedBy(reference.runId)).continued).toBe(0);
  // The server lets workflows of one id begin once a second, so the shortest histories take their time.
  for (const startsPerHistory of long ? [1, 2, 3, 5, 8] : [3]) {
    const client = await team.clientOf(startsPerHistory);
    const { runId, fruit } = await fruitOf(client, MIXTURE);
    expect(fruit).toEqual(reference.fruit);
    const { continued } = await carriedBy(runId);
    expect(continued).toBeGreaterThanOrEqual(Math.floor(15 / startsPerHistory));
    // Whoever asks the workflow is answered by the one that is there now.
    expect(await client.query(runId, 'context')).toMatchObject({
      'outputs.step': { inline: { said: 'last' } },
    });
    const executions = expect.arrayContaining([{ address: '1', agent: 'step', status: 'completed' }]);
    expect(await client.query(runId, 'plan')).toMatchObject({ executions, earlierExecutions: 0 });
    const roster = await client.query(runId, 'roster');
    expect(roster.map(({ name, status }) => [name, status])).toContainEqual(['step', 'idle']);
  }
  expect([...calls.values()].every((times) => times === 1)).toBe(true);
}, 300_000);

test('an agent sees all of what came before it, the latest at once and the rest when it asks', async () => {
  const plan = sequence([
    { type: 'loop', step: sequence([...steps(9), agent('sees')]), maxIterations: 8 },
    agent('sees'),
  ]);
  const client = await team.clientOf(30);
  const { runId, output } = await client.run({ task: 'Look back', plan });
  const passes = Array.from({ length: 8 }, (_, pass) => (pass === 0 ? '1.1' : `1.1#${pass + 1}`));
  const all = passes.flatMap((pass) => Array.from({ length: 10 }, (_, i) => `${pass}.${i + 1}`));
  expect(output).toEqual(all);
  const sixth = await client.output(runId, '1.1#7.10');
  expect(sixth).toEqual(all.slice(0, 69));
  // What an activity is given stays small.
  const { events } = await team.temporal.workflow.getHandle(workflowIdOf(runId)).fetchHistory();
  for (const { activityTaskScheduledEventAttributes: scheduled } of events ?? []) {
    const [payload] = scheduled?.input?.payloads ?? [];
    if (payload?.data === undefined || payload.data === null) continue;
    const given = JSON.parse(Buffer.from(payload.data).toString()) as Partial<ExecuteAgentInput>;
    expect(given.previous?.length ?? 0).toBeLessThanOrEqual(50);
  }
});

test('what is carried on stays small, whatever agents leave in the context', async () => {
  const hoard = (from: number): Step => agent('hoards', { input: { from, keys: 150 } });
  const plan = sequence([
    hoard(0),
    hoard(150),
    hoard(300),
    hoard(450),
    agent('step'),
    // A key that became a blob on the way is asked by what is known of it.
    agent('step', { when: { op: 'eq', pointer: '/context/key-3/number', value: 3 }, input: 'knows' }),
  ]);
  const client = await team.clientOf(4);
  const { runId, output, status } = await client.run({ task: 'Hoard', plan });
  expect([status, output]).toEqual(['completed', { said: 'knows' }]);
  const { continued, bytes } = await carriedBy(runId);
  expect(continued).toBeGreaterThan(0);
  expect(bytes).toBeLessThanOrEqual(256 * 1024);
  const context = (await client.query(runId, 'context')) as JsonObject;
  expect(Object.keys(context)).toHaveLength(600 + 3 + 2);
});

test('a run whose state cannot be carried on ends with a limit of ours, and keeps what was done', async () => {
  const hoard = (from: number): Step => agent('hoards', { input: { from, keys: 1_000 } });
  const plan = sequence([hoard(0), hoard(1_000), hoard(2_000), agent('step')]);
  const result = await (await team.clientOf(3)).run({ task: 'Too much', plan });
  expect(result).toMatchObject({ status: 'failed', failure: { code: 'RUN_LIMIT' } });
  expect(result.agents.map(({ address }) => address)).toEqual(['1', '2', '3']);
});

test('a run can be cancelled at any of its workflows', async () => {
  const client = await team.clientOf(2);
  const plan = sequence([...steps(5), { type: 'wait', for: 'timer', durationMs: 600_000 }, agent('step')]);
  const { runId } = await client.start({ task: 'Stop', plan });
  for await (const { type, address } of client.events(runId))
    if (type === 'agent.completed' && address === '5') break;
  await client.cancel(runId);
  expect(await client.result(runId)).toMatchObject({ status: 'cancelled' });
});
