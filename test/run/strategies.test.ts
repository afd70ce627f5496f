import type { AgentTask } from '../../src/agents/base-agent';
import { AppError } from '../../src/protocol/failures';
import { anAgent } from '../support/agents';
import { historyOf, textsIn } from '../support/kills/history';
import { startTeam, type Team } from '../support/team';

/** Quick retries: the policy is the product's, the pace is the test's. */
const retry = { initialIntervalMs: 20, maxIntervalMs: 80 };

const previousOf = async (task: AgentTask): Promise<unknown[]> =>
  Promise.all(task.previous.map(async (p) => ({ agent: p.agent, output: await p.read() })));

const attempts = new Map<string, number>();
const flaky = anAgent('flaky', (task, { runId }) => {
  const attempt = (attempts.get(runId) ?? 0) + 1;
  attempts.set(runId, attempt);
  if (attempt < 3) throw new Error(`attempt ${attempt} fails`);
  return { attempt, text: task.text };
});

const agents = [
  anAgent('echo', (task) => ({ said: task.text })),
  anAgent('recall', async (task) => ({ before: await previousOf(task) })),
  anAgent('large', () => ({ text: 'x'.repeat(100_000) })),
  anAgent('broken', () => {
    throw new Error('always broken');
  }),
  anAgent('refused', () => {
    throw new AppError('MODEL_KEY_INVALID', 'The provider refused the key');
  }),
  flaky,
  anAgent('remember', (_task, { context }) => {
    context.set('note', { kept: true });
    return 'remembered';
  }),
  anAgent('reader', async (_task, { context }) => ({
    task: await context.get('task'),
    runId: await context.get('run_id'),
    status: await context.get('status'),
    note: await context.get('note'),
    earlier: await context.get('outputs.remember'),
    missing: (await context.get('nothing')) === undefined,
  })),
];

let team: Team;
beforeAll(async () => {
  team = await startTeam(agents);
});
afterAll(() => team[Symbol.asyncDispose]());

test('a sequence hands every output to what comes after it, large ones by reference', async () => {
  const result = await team.client.run({
    task: 'Count the ships',
    plan: { strategy: 'sequential', agents: ['echo', 'large', 'recall'] },
  });
  expect(result).toMatchObject({ status: 'completed', failure: null, degraded: [] });
  expect(result.output).toEqual({
    before: [
      { agent: 'echo', output: { said: 'Count the ships' } },
      { agent: 'large', output: { text: 'x'.repeat(100_000) } },
    ],
  });
  expect(result.agents.map(({ address, agent, status, attempts: n }) => [address, agent, status, n])).toEqual(
    [
      ['1', 'echo', 'completed', 1],
      ['2', 'large', 'completed', 1],
      ['3', 'recall', 'completed', 1],
    ],
  );
});

test('no history holds what travels by reference', async () => {
  const { runId } = await team.client.run({ task: 'Big', plan: { type: 'agent', agent: 'large' } });
  const texts = textsIn(await historyOf(team.temporal, runId));
  expect(texts).toContain('Big');
  expect(texts).not.toContain('x'.repeat(100));
});

test('a parallel step merges what its branches bring, by name', async () => {
  const result = await team.client.run({
    task: 'Say it',
    plan: { strategy: 'parallel', agents: ['echo', 'recall', 'echo'] },
  });
  expect(result.output).toEqual({
    echo: { said: 'Say it' },
    recall: { before: [] },
    'echo-3': { said: 'Say it' },
  });
});

test('an aggregating agent sees the outputs of all branches and speaks for them', async () => {
  const plan = {
    type: 'parallel' as const,
    steps: [
      { type: 'agent' as const, agent: 'echo' },
      { type: 'agent' as const, agent: 'large' },
    ],
    aggregate: { agent: 'recall' },
    maxConcurrency: 1,
  };
  const result = await team.client.run({ task: 'Together', plan });
  expect(result.output).toEqual({
    before: [
      { agent: 'echo', output: { said: 'Together' } },
      { agent: 'large', output: { text: 'x'.repeat(100_000) } },
    ],
  });
  expect(result.agents.map(({ address }) => address)).toEqual(['1', '2', 'aggregate']);
});

test('concat lists outputs in the order of the plan', async () => {
  const plan = { strategy: 'parallel' as const, agents: ['echo', 'recall'], aggregate: 'concat' as const };
  expect((await team.client.run({ task: 'List', plan })).output).toEqual([{ said: 'List' }, { before: [] }]);
});

test('an agent that fails twice is retried, and every failed attempt is in the story', async () => {
  const result = await team.client.run({ task: 'Try', plan: { type: 'agent', agent: 'flaky', retry } });
  expect(result.output).toEqual({ attempt: 3, text: 'Try' });
  expect(result.agents[0]).toMatchObject({ attempts: 3, status: 'completed' });
  const types: string[] = [];
  for await (const { type } of team.client.events(result.runId)) types.push(type);
  expect(types).toEqual([
    'run.accepted',
    'run.started',
    'agent.started',
    'agent.attempt-failed',
    'agent.started',
    'agent.attempt-failed',
    'agent.started',
    'agent.completed',
    'run.completed',
  ]);
});

test('a finally failed agent fails its sequence, keeps what was done, and is named', async () => {
  const result = await team.client.run({
    task: 'Fail',
    plan: {
      type: 'sequence',
      steps: [
        { type: 'agent', agent: 'echo' },
        { type: 'agent', agent: 'broken', retry },
        { type: 'agent', agent: 'recall' },
      ],
    },
  });
  expect(result).toMatchObject({
    status: 'failed',
    failure: { code: 'AGENT_FAILED', message: 'Error: always broken' },
    degraded: [{ address: '2', agent: 'broken', code: 'AGENT_FAILED', instead: 'failed' }],
  });
  expect(result.agents.map(({ agent, status, attempts: n }) => [agent, status, n])).toEqual([
    ['echo', 'completed', 1],
    ['broken', 'failed', 4],
  ]);
  expect(await team.client.output(result.runId, '1')).toEqual({ said: 'Fail' });
  const description = await team.temporal.workflow.getHandle(`run-${result.runId}`).describe();
  expect(description.status.name).toBe('FAILED');
});

test('in a parallel step a failed branch is skipped and the result names it', async () => {
  const result = await team.client.run({
    task: 'Half',
    plan: {
      type: 'parallel',
      steps: [
        { type: 'agent', agent: 'broken', retry: { maxAttempts: 1 } },
        { type: 'agent', agent: 'echo' },
      ],
    },
  });
  expect(result).toMatchObject({
    status: 'completed',
    output: { echo: { said: 'Half' } },
    degraded: [{ address: '1', agent: 'broken', instead: 'skipped', message: 'Error: always broken' }],
  });
});

test('when every branch fails, the parallel step fails', async () => {
  const step = { type: 'agent', agent: 'broken', retry: { maxAttempts: 1 } } as const;
  const result = await team.client.run({ task: 'None', plan: { type: 'parallel', steps: [step, step] } });
  expect(result).toMatchObject({ status: 'failed', failure: { code: 'AGENT_FAILED' } });
  // Each branch, and the step that had nothing left.
  expect(result.degraded.map(({ address, agent }) => `${address} ${agent}`).toSorted()).toEqual([
    '0 parallel',
    '1 broken',
    '2 broken',
  ]);
});

test('a failure that no retry can cure is not retried', async () => {
  const result = await team.client.run({
    task: 'Key',
    plan: { strategy: 'sequential', agents: ['refused'] },
  });
  expect(result.failure).toEqual({ code: 'MODEL_KEY_INVALID', message: 'The provider refused the key' });
  expect(result.agents[0]?.attempts).toBe(1);
});

test('a fallback value or agent stands in, and the result says so', async () => {
  const broken = { type: 'agent', agent: 'broken', retry: { maxAttempts: 1 } } as const;
  const result = await team.client.run({
    task: 'Stand in',
    plan: {
      type: 'sequence',
      steps: [
        { ...broken, onFailure: { fallback: { value: { said: 'nothing' } } } },
        { ...broken, onFailure: { fallback: { agent: 'echo' } } },
        { ...broken, onFailure: 'skip' },
        { type: 'agent', agent: 'recall' },
      ],
    },
  });
  expect(result.status).toBe('completed');
  expect(result.output).toEqual({
    before: [
      { agent: 'broken', output: { said: 'nothing' } },
      { agent: 'echo', output: { said: 'Stand in' } },
    ],
  });
  expect(result.degraded.map(({ instead }) => instead)).toEqual(['fallback', 'fallback', 'skipped']);
  // A decision of the workflow stands in the story before what it caused, though it wrote nothing itself.
  const story: string[] = [];
  for await (const { type, address } of team.client.events(result.runId))
    story.push(`${type} ${address ?? ''}`);
  const at = (line: string): number => story.indexOf(line);
  expect(at('agent.fell-back 2')).toBeGreaterThan(at('agent.failed 2'));
  expect(at('agent.fell-back 2')).toBeLessThan(at('agent.started 2.fallback'));
  expect(at('agent.skipped 3')).toBeLessThan(at('agent.started 4'));
});

test('the context starts with task, run id and status; outputs and writes of completed turns are in it', async () => {
  const result = await team.client.run({
    task: 'Keep it',
    plan: { strategy: 'sequential', agents: ['remember', 'reader'] },
  });
  expect(result.output).toEqual({
    task: 'Keep it',
    runId: result.runId,
    status: 'running',
    note: { kept: true },
    earlier: 'remembered',
    missing: true,
  });
  const context = await team.client.query(result.runId, 'context');
  expect(context).toMatchObject({ status: { inline: 'completed' }, note: { inline: { kept: true } } });
});

test('the roster and the plan can be asked of the workflow', async () => {
  const { runId } = await team.client.run({
    task: 'Ask',
    plan: { strategy: 'sequential', agents: ['echo'] },
  });
  expect(await team.client.query(runId, 'roster')).toMatchObject([
    { name: 'echo', status: 'idle', agentType: 'custom' },
  ]);
  expect(await team.client.query(runId, 'plan')).toMatchObject({
    executions: [{ address: '1', agent: 'echo', status: 'completed' }],
  });
});
