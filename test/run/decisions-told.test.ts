import { setTimeout as sleep } from 'node:timers/promises';
import type { RunEvent } from '../../src/protocol/event';
import type { Step } from '../../src/protocol/plan';
import { anAgent } from '../support/agents';
import { countsOf } from '../support/kills/history';
import { startTeam, type Team } from '../support/team';
import { decisionsOf, storyOf } from './support/story';

const agents = [
  anAgent('noop', () => 'done'),
  anAgent('broken', () => {
    throw new Error('always broken');
  }),
  anAgent('waits', (_task, { signal }) => sleep(60_000, undefined, { signal })),
];

let team: Team;
beforeAll(async () => {
  team = await startTeam(agents);
});
afterAll(() => team[Symbol.asyncDispose]());

const once = { retry: { maxAttempts: 1 } };
const agent = (name: string, more: object = {}): Step => ({ type: 'agent', agent: name, ...more });
const parallel = (...steps: Step[]): Step => ({ type: 'parallel', steps });
const sequence = (...steps: Step[]): Step => ({ type: 'sequence', steps });
const never = { op: 'exists', pointer: '/input/nothing' } as const;

/** What the log holds once it holds an event of this type; the run is terminated in that moment. */
async function terminatedAt(plan: Step, wanted: RunEvent['type']): Promise<string> {
  const { runId } = await team.client.start({ task: 'Decide', plan });
  for await (const { type } of team.client.events(runId)) if (type === wanted) break;
  await team.temporal.workflow.getHandle(`run-${runId}`).terminate('the test says so');
  return runId;
}

test('a branch that is skipped is in the log while the others still work', async () => {
  const runId = await terminatedAt(parallel(agent('waits'), agent('broken', once)), 'agent.skipped');
  // Both agents, and what closed the row of the broken one before it was decided what follows.
  expect(await countsOf(team.temporal, runId)).toMatchObject({ activityTaskScheduled: 3 });
});

test('a branch that is left out is in the log while the others still work', async () => {
  await terminatedAt(parallel(agent('waits'), agent('noop', { when: never })), 'step.decided');
});

test('a decision before a long wait is in the log when the wait begins', async () => {
  const timer: Step = { type: 'wait', for: 'timer', durationMs: 60_000 };
  await terminatedAt(sequence(agent('noop', { when: never }), timer, agent('noop')), 'step.decided');
});

test('what an agent is about to carry is not written down beforehand, and nothing twice', async () => {
  const plan = sequence(
    agent('broken', { ...once, onFailure: 'skip' }),
    agent('noop', { when: { op: 'not', of: never } }),
    agent('noop', { when: never }),
  );
  const { runId, status } = await team.client.run({ task: 'Go on', plan });
  expect(status).toBe('completed');
  // The run's end alone.
  expect(await countsOf(team.temporal, runId)).toMatchObject({ markerRecorded: 1 });
  const story = await storyOf(team.client, runId);
  expect(decisionsOf(story)).toEqual(['2 condition run', '3 condition leave out']);
  expect(story.filter(({ type }) => type === 'agent.skipped')).toHaveLength(1);
});

test('many that are decided at once are written down together', async () => {
  const branches = Array.from({ length: 40 }, () => agent('broken', once));
  const { runId, degraded } = await team.client.run({
    task: 'Fail',
    plan: parallel(agent('noop'), ...branches),
  });
  expect(degraded).toHaveLength(40);
  const { markerRecorded = 0 } = await countsOf(team.temporal, runId);
  expect(markerRecorded).toBeLessThan(40);
  const story = await storyOf(team.client, runId);
  expect(story.filter(({ type }) => type === 'agent.skipped')).toHaveLength(40);
});
