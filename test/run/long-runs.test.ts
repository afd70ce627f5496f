import { createClient } from '../../src/client/connect';
import type { EnsembleClient } from '../../src/client/ensemble-client';
import { workflowIdOf } from '../../src/core/ids';
import type { Step } from '../../src/protocol/plan';
import { anAgent } from '../support/agents';
import { startTeam, type Team } from '../support/team';

/** `npm run test:long` does all of it; otherwise less, with histories that are full sooner. */
const long = process.env['ENSEMBLE_TEST_LONG'] === '1';
const SIZE = long
  ? { passes: 100, steps: 50, parallel: 500, leaves: [5, 4, 5], startsPerHistory: undefined }
  : { passes: 12, steps: 10, parallel: 130, leaves: [2, 2, 3], startsPerHistory: 40 };
const MINUTES = 60_000;

const agents = [
  anAgent('noop', () => 'done'),
  anAgent('says', (task) => ({ text: `${task.text} ${'x'.repeat(2_000)}` })),
];

let team: Team;
let client: EnsembleClient;
beforeAll(async () => {
  team = await startTeam(agents);
  const { startsPerHistory } = SIZE;
  const pace =
    startsPerHistory === undefined ? {} : { ENSEMBLE_STARTS_PER_HISTORY: String(startsPerHistory) };
  client = await createClient({ environment: { ...team.environment, ...pace } });
});
afterAll(async () => {
  await client[Symbol.asyncDispose]();
  await team[Symbol.asyncDispose]();
});

const noop: Step = { type: 'agent', agent: 'noop' };
const times = (count: number, step: Step): Step[] => Array.from({ length: count }, () => step);

/** The last of the run's histories: how long it is, and how it began. */
async function lastHistory(runId: string) {
  const handle = team.temporal.workflow.getHandle(workflowIdOf(runId));
  const { historyLength, raw } = await handle.describe();
  const { events } = await handle.fetchHistory();
  const started = events?.[0]?.workflowExecutionStartedEventAttributes;
  const bytes = Number(raw.workflowExecutionInfo?.historySizeBytes ?? 0);
  return { historyLength, bytes, continued: Boolean(started?.continuedExecutionRunId) };
}

test(
  `a run of ${SIZE.passes * SIZE.steps} steps, one after another`,
  async () => {
    const body: Step = { type: 'sequence', steps: times(SIZE.steps, noop) };
    const result = await client.run({
      task: 'Far',
      plan: { type: 'loop', step: body, maxIterations: SIZE.passes },
    });
    expect(result).toMatchObject({ status: 'completed', output: 'done', failure: null });
    expect(result.agents).toHaveLength(SIZE.passes * SIZE.steps);
    expect(result.agents.every(({ status, attempts }) => status === 'completed' && attempts === 1)).toBe(
      true,
    );
    const { historyLength, bytes, continued } = await lastHistory(result.runId);
    expect(continued).toBe(true);
    expect(historyLength).toBeLessThan(4_096);
    expect(bytes).toBeLessThan(4 * 1024 * 1024);
  },
  20 * MINUTES,
);

test(
  `a run of ${SIZE.parallel} agents side by side`,
  async () => {
    const steps = times(SIZE.parallel, { type: 'agent', agent: 'says' });
    const result = await client.run({ task: 'Wide', plan: { type: 'parallel', steps, aggregate: 'concat' } });
    expect(result).toMatchObject({ status: 'completed', degraded: [] });
    expect(result.output).toHaveLength(SIZE.parallel);
    // At most a hundred in one message to the server.
    const { events } = await team.temporal.workflow.getHandle(workflowIdOf(result.runId)).fetchHistory();
    const perTask = new Map<string, number>();
    for (const { activityTaskScheduledEventAttributes: scheduled } of events ?? []) {
      const task = scheduled?.workflowTaskCompletedEventId?.toString();
      if (task !== undefined) perTask.set(task, (perTask.get(task) ?? 0) + 1);
    }
    expect(Math.max(...perTask.values())).toBeLessThanOrEqual(100);
  },
  10 * MINUTES,
);

test(
  `a tree of child runs, three deep, with ${SIZE.leaves.reduce((a, b) => a * b)} leaves`,
  async () => {
    const [first = 1, second = 1, third = 1] = SIZE.leaves;
    const child = (plan: Step): Step => ({ type: 'run', plan });
    const grown = (count: number, step: Step): Step => ({
      type: 'parallel',
      steps: times(count, step),
      aggregate: 'concat',
    });
    const plan = grown(first, child(grown(second, child(grown(third, child(noop))))));
    const result = await client.run({ task: 'Grow', plan });
    expect(result).toMatchObject({ status: 'completed', degraded: [] });
    expect((result.output as unknown[][][]).flat(2)).toEqual(
      Array.from({ length: first * second * third }, () => 'done'),
    );
  },
  10 * MINUTES,
);
