import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { Step } from '../../src/protocol/plan';
import { workflowIdOf } from '../../src/core/ids';
import { anAgent } from '../support/agents';
import { startTeam, type Team } from '../support/team';
import { storyOf } from './support/story';

const agents = [
  anAgent('says', (task) => ({ task: task.text, input: task.input, options: task.options }), {
    input: z.unknown(),
  }),
  anAgent('large', () => ({ verdict: 'good', filler: 'x'.repeat(50_000) })),
  anAgent('recall', async (task) =>
    Promise.all(
      task.previous.map(async (p) => ({ address: p.address, agent: p.agent, output: await p.read() })),
    ),
  ),
  anAgent('waits', async (_task, { signal }) => {
    await sleep(60_000, undefined, { signal });
  }),
  anAgent('broken', () => {
    throw new Error('always broken');
  }),
];

let team: Team;
beforeAll(async () => {
  team = await startTeam(agents);
});
afterAll(async () => {
  await team[Symbol.asyncDispose]();
});

const agent = (name: string, more: object = {}): Step => ({ type: 'agent', agent: name, ...more });
const child = (plan: Step, more: object = {}): Step => ({ type: 'run', plan, ...more });

interface ChildRow {
  readonly id: string;
  readonly parent_address: string;
  readonly status: string;
}

async function childrenOf(runId: string): Promise<ChildRow[]> {
  const { rows } = await team.admin.query<ChildRow>(
    'select id, parent_address, status from ensemble.runs where parent_run_id = $1 order by parent_address',
    [runId],
  );
  return rows;
}

async function untilChild(runId: string, type: string): Promise<ChildRow> {
  for (let i = 0; i < 200; i += 1) {
    const [row] = await childrenOf(runId);
    if (row !== undefined)
      for await (const event of team.client.events(row.id)) if (event.type === type) return row;
    await sleep(50);
  }
  throw new Error('There is no child run');
}

test('a child run is a run of its own, and its output goes on by reference', async () => {
  const plan: Step = {
    type: 'sequence',
    steps: [
      child(
        { type: 'sequence', steps: [agent('says'), agent('large')] },
        { id: 'study', task: 'Study it', input: { a: 1 } },
      ),
      agent('recall', { when: { op: 'eq', pointer: '/outputs/study/verdict', value: 'good' } }),
    ],
  };
  const result = await team.client.run({ task: 'Parent', plan });
  expect(result).toMatchObject({ status: 'completed', degraded: [] });
  expect(result.output).toEqual([
    { address: '1', agent: 'run', output: { verdict: 'good', filler: 'x'.repeat(50_000) } },
  ]);
  const [row] = await childrenOf(result.runId);
  expect(row).toMatchObject({ parent_address: '1', status: 'completed' });
  const its = await team.client.result(row?.id ?? '');
  expect(its.agents.map(({ address }) => address)).toEqual(['1', '2']);
  expect(await team.client.output(its.runId, '1')).toEqual({
    task: 'Study it',
    input: { a: 1 },
    options: {},
  });
  const story = await storyOf(team.client, result.runId);
  const told = story.filter(({ type }) => type.startsWith('run.child'));
  expect(told.map(({ type, address, data }) => [type, address, data['runId']])).toEqual([
    ['run.child-accepted', '1', its.runId],
    ['run.child-ended', '1', its.runId],
  ]);
  const history = await team.temporal.workflow.getHandle(workflowIdOf(result.runId)).fetchHistory();
  expect(JSON.stringify(history)).not.toContain('x'.repeat(100));
  expect((await team.client.list({ limit: 100 })).map(({ runId }) => runId)).not.toContain(its.runId);
});

test("a child run's failure is its step's, with its reason", async () => {
  const plan = child(agent('broken', { retry: { maxAttempts: 1 } }), {
    retry: { maxAttempts: 2, initialIntervalMs: 20 },
  });
  const result = await team.client.run({ task: 'Fail', plan });
  expect(result).toMatchObject({
    status: 'failed',
    failure: { code: 'AGENT_FAILED', message: 'Error: always broken' },
    degraded: [{ address: '0', agent: 'run', instead: 'failed' }],
  });
  expect((await childrenOf(result.runId)).map((row) => [row.parent_address, row.status])).toEqual([
    ['0', 'failed'],
    ['0~2', 'failed'],
  ]);
});

test('a cancelled run cancels its child runs, three deep, and ends after them', async () => {
  const plan = child(child(agent('waits')));
  const { runId } = await team.client.start({ task: 'Stop', plan });
  const middle = await untilChild(runId, 'run.child-accepted');
  const leaf = await untilChild(middle.id, 'agent.started');
  await team.client.cancel(runId);
  expect(await team.client.result(runId)).toMatchObject({ status: 'cancelled' });
  for (const { id } of [middle, leaf])
    expect(await team.client.describe(id)).toMatchObject({ status: 'cancelled' });
});

test('a run that is terminated takes its child runs along, three deep', async () => {
  const plan = child(child(agent('waits')));
  const { runId } = await team.client.start({ task: 'Stop', plan });
  const middle = await untilChild(runId, 'run.child-accepted');
  const leaf = await untilChild(middle.id, 'agent.started');
  await team.temporal.workflow.getHandle(workflowIdOf(runId)).terminate('an operator said so');
  expect(await team.client.result(runId)).toMatchObject({ failure: { code: 'RUN_TERMINATED' } });
  for (const { id } of [middle, leaf])
    expect(await team.client.result(id)).toMatchObject({ status: 'cancelled' });
});

test('a child run past the time of its step is cancelled, and the run goes on', async () => {
  const plan: Step = {
    type: 'sequence',
    steps: [child(agent('waits'), { timeoutMs: 500, onFailure: 'skip' }), agent('recall')],
  };
  const result = await team.client.run({ task: 'Hurry', plan });
  expect(result).toMatchObject({ status: 'completed', output: [], degraded: [{ code: 'STEP_TIMEOUT' }] });
  expect(await childrenOf(result.runId)).toMatchObject([{ status: 'cancelled' }]);
});

test('a child run that is cancelled or terminated by somebody else fails its step', async () => {
  const plan = child(agent('waits'));
  const first = await team.client.start({ task: 'One', plan });
  await team.client.cancel((await untilChild(first.runId, 'agent.started')).id);
  expect(await team.client.result(first.runId)).toMatchObject({ failure: { code: 'RUN_CANCELLED' } });
  const second = await team.client.start({ task: 'Two', plan });
  const { id } = await untilChild(second.runId, 'agent.started');
  await team.temporal.workflow.getHandle(workflowIdOf(id)).terminate('an operator said so');
  expect(await team.client.result(second.runId)).toMatchObject({ failure: { code: 'RUN_TERMINATED' } });
});

test('a tree of child runs, three deep, comes to its end', async () => {
  const leaf = child(agent('says', { input: 1 }));
  const middle = child({ type: 'parallel', steps: [leaf, leaf, leaf], aggregate: 'concat' });
  const plan: Step = { type: 'parallel', steps: [middle, middle, middle], aggregate: 'concat' };
  const result = await team.client.run({ task: 'Grow', plan });
  expect(result.status).toBe('completed');
  expect(result.output).toHaveLength(3);
  expect((result.output as unknown[]).flat()).toHaveLength(9);
});
