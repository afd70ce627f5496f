import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { AgentTask } from '../../src/agents/base-agent';
import type { JsonObject } from '../../src/protocol/json';
import type { Step } from '../../src/protocol/plan';
import { anAgent } from '../support/agents';
import { startTeam, type Team } from '../support/team';
import { decisionsOf, storyOf } from './support/story';

const aborted = new Set<string>();
const counts = new Map<string, number>();
const counted = (key: string): number => {
  counts.set(key, (counts.get(key) ?? 0) + 1);
  return counts.get(key) ?? 0;
};
const optionsOf = (task: AgentTask): Record<string, unknown> => task.options as Record<string, unknown>;
const anything = { input: z.unknown() };

const agents = [
  anAgent('says', (task) => task.options, anything),
  anAgent('counts', (_task, { runId }) => ({ n: counted(runId) })),
  anAgent(
    'sets',
    (task, { context }) => {
      context.set('mode', task.options);
      return 'set';
    },
    anything,
  ),
  anAgent('large', (task) => ({ ...optionsOf(task), filler: 'x'.repeat(30_000) }), anything),
  anAgent('recall', (task) => task.previous.map(({ address, agent }) => `${address} ${agent}`)),
  anAgent('waits', async (_task, { signal, agentRunId }) => {
    await sleep(60_000, undefined, { signal }).catch((error: unknown) => {
      aborted.add(agentRunId);
      throw error;
    });
  }),
  anAgent('broken', () => {
    throw new Error('always broken');
  }),
  anAgent('second-time', (_task, { runId }) => {
    if (counted(`second ${runId}`) < 2) throw new Error('not yet');
    return 'done';
  }),
];

let team: Team;
beforeAll(async () => {
  team = await startTeam(agents);
});
afterAll(() => team[Symbol.asyncDispose]());

async function outcomeOf(plan: Step, input: JsonObject = {}) {
  const result = await team.client.run({ task: 'Do it', plan, input });
  const story = await storyOf(team.client, result.runId);
  const agentsRun = result.agents.map(({ address, status }) => `${address} ${status}`);
  return { result, story, agents: agentsRun, decisions: decisionsOf(story) };
}

const says = (input: JsonObject, more: object = {}): Step => ({
  type: 'agent',
  agent: 'says',
  input,
  ...more,
});
const once = { retry: { maxAttempts: 1 } };

describe('conditions', () => {
  test('a step whose condition does not hold is left out, and both choices are told with their reason', async () => {
    const when = (value: string) => ({ when: { op: 'eq' as const, pointer: '/input/mode', value } });
    const plan: Step = {
      type: 'sequence',
      steps: [
        { ...says({ a: 1 }), id: 'first' },
        { ...says({ b: 1 }), id: 'slow', ...when('slow') },
        { ...says({ c: 1 }), id: 'fast', ...when('fast') },
      ],
    };
    const { result, agents: run, decisions } = await outcomeOf(plan, { mode: 'fast' });
    expect(result.output).toEqual({ c: 1 });
    expect(run).toEqual(['1 completed', '3 completed']);
    expect(decisions).toEqual(['2 condition leave out', '3 condition run']);
  });

  test('conditions see outputs by name, the context as agents change it, and into blobs', async () => {
    const plan: Step = {
      type: 'sequence',
      steps: [
        { type: 'agent', agent: 'large', id: 'report', input: { verdict: 'good', list: [1] } },
        { type: 'agent', agent: 'sets', input: { level: 3 } },
        { ...says({ yes: 'blob' }), when: { op: 'eq', pointer: '/outputs/report/verdict', value: 'good' } },
        { ...says({ yes: 'context' }), when: { op: 'gt', pointer: '/context/mode/level', value: 2 } },
        { ...says({ no: 'blob' }), when: { op: 'eq', pointer: '/outputs/report/verdict', value: 'bad' } },
      ],
    };
    expect((await outcomeOf(plan)).agents).toEqual(['1', '2', '3', '4'].map((a) => `${a} completed`));
  });

  test('a large input is asked by what is known of it', async () => {
    const plan: Step = {
      type: 'sequence',
      steps: [
        { ...says({ x: 1 }), when: { op: 'eq', pointer: '/input/kind', value: 'b' } },
        { ...says({ y: 1 }), when: { op: 'eq', pointer: '/input/kind', value: 'a' } },
      ],
    };
    const { result, agents: run } = await outcomeOf(plan, { kind: 'a', filler: 'x'.repeat(20_000) });
    expect([result.output, run]).toEqual([{ y: 1 }, ['2 completed']]);
  });
});

describe('loops', () => {
  const loop = (more: object): Step => ({
    type: 'loop',
    step: { type: 'agent', agent: 'counts' },
    until: { op: 'gte', pointer: '/last/n', value: 3 },
    maxIterations: 5,
    ...more,
  });

  test('a loop goes round until its condition holds', async () => {
    const { result, agents: run, decisions } = await outcomeOf(loop({}));
    expect(result.output).toEqual({ n: 3 });
    expect(run).toEqual(['1 completed', '1#2 completed', '1#3 completed']);
    expect(decisions).toEqual(['0 loop repeat', '0 loop repeat', '0 loop finish']);
  });

  test('at its limit it fails, or ends with what it has', async () => {
    const failed = await outcomeOf(loop({ maxIterations: 2 }));
    expect(failed.result).toMatchObject({ status: 'failed', failure: { code: 'STEP_LIMIT' } });
    expect(failed.decisions.at(-1)).toBe('0 limit fail');
    const finished = await outcomeOf(loop({ maxIterations: 2, onLimit: 'finish' }));
    expect(finished.result).toMatchObject({ status: 'completed', output: { n: 2 } });
  });

  test('an agent in a loop sees the passes before its own', async () => {
    const body: Step = {
      type: 'sequence',
      steps: [
        { type: 'agent', agent: 'counts' },
        { type: 'agent', agent: 'recall' },
      ],
    };
    const { result } = await outcomeOf({ type: 'loop', step: body, maxIterations: 2 });
    expect(result.output).toEqual(['1.1 counts', '1.2 recall', '1#2.1 counts']);
  });
});

describe('parallel steps', () => {
  test('with a quorum, branches that are not needed any more are cancelled, and hear of it', async () => {
    const plan: Step = {
      type: 'parallel',
      steps: [says({ a: 1 }), says({ b: 1 }), { type: 'agent', agent: 'waits' }],
      quorum: 'majority',
      aggregate: 'concat',
    };
    const { result, agents: run, decisions } = await outcomeOf(plan);
    expect(result).toMatchObject({ status: 'completed', output: [{ a: 1 }, { b: 1 }], degraded: [] });
    expect(run.toSorted()).toEqual(['1 completed', '2 completed', '3 cancelled']);
    expect(decisions).toEqual(['0 quorum enough']);
    for (let i = 0; i < 100 && aborted.size === 0; i += 1) await sleep(100);
    expect(aborted.size).toBeGreaterThan(0);
  });

  test('what comes after a quorum does not wait for those that were dispensed with', async () => {
    const plan: Step = {
      type: 'sequence',
      steps: [
        {
          type: 'parallel',
          steps: [
            says({ a: 1 }),
            {
              type: 'sequence',
              steps: [
                { type: 'agent', agent: 'waits' },
                { type: 'agent', agent: 'counts' },
              ],
            },
          ],
          quorum: { first: 1 },
        },
        { type: 'agent', agent: 'recall' },
      ],
    };
    const { result, agents: run } = await outcomeOf(plan);
    expect(result.output).toEqual(['1.1 says']);
    expect(run.toSorted()).toEqual(['1.1 completed', '1.2.1 cancelled', '2 completed']);
  });

  test('a quorum that cannot be reached any more fails at once', async () => {
    const broken: Step = { type: 'agent', agent: 'broken', ...once };
    const plan: Step = {
      type: 'parallel',
      steps: [broken, broken, { type: 'agent', agent: 'waits' }],
      quorum: 'majority',
    };
    const { result, agents: run } = await outcomeOf(plan);
    expect(result.failure).toMatchObject({ code: 'QUORUM_MISSED' });
    expect(run.toSorted()).toEqual(['1 failed', '2 failed', '3 cancelled']);
  });

  test('vote and best choose a branch, also by what stands in blobs', async () => {
    const ballot = (say: string, score: number): Step => ({
      type: 'agent',
      agent: 'large',
      input: { say, score },
    });
    const steps = [ballot('no', 3), ballot('yes', 8), ballot('yes', 5)];
    const vote = await outcomeOf({ type: 'parallel', steps, aggregate: { vote: '/say' } });
    expect(vote.result.output).toMatchObject({ say: 'yes', score: 8 });
    expect(vote.decisions).toEqual(['0 vote yes']);
    const best = await outcomeOf({ type: 'parallel', steps, aggregate: { best: '/score' } });
    expect(best.result.output).toMatchObject({ score: 8 });
  });
});

describe('time and attempts of composite steps', () => {
  test('a step past its time is cancelled with all that it holds, and fails', async () => {
    const plan: Step = {
      type: 'sequence',
      steps: [says({ a: 1 }), { type: 'agent', agent: 'waits' }, says({ b: 1 })],
      timeoutMs: 300,
    };
    const { result, agents: run } = await outcomeOf(plan);
    expect(result.failure).toEqual({
      code: 'STEP_TIMEOUT',
      message: 'The step did not finish within its limit of 300 ms',
    });
    expect(result.degraded).toMatchObject([{ address: '0', agent: 'sequence', instead: 'failed' }]);
    expect(run).toEqual(['1 completed', '2 cancelled']);
  });

  test('a step is started again as a whole, after a pause, under addresses of its own', async () => {
    const plan: Step = {
      type: 'sequence',
      steps: [says({ a: 1 }), { type: 'agent', agent: 'second-time', ...once }],
      retry: { maxAttempts: 3, initialIntervalMs: 20 },
    };
    const { result, agents: run } = await outcomeOf(plan);
    expect(result).toMatchObject({ status: 'completed', output: 'done', degraded: [{ address: '2' }] });
    expect(run).toEqual(['1 completed', '2 failed', '0~2.1 completed', '0~2.2 completed']);
  });

  test('a fallback stands in for a whole step', async () => {
    const inner: Step = {
      type: 'sequence',
      steps: [says({ a: 1 }), { type: 'agent', agent: 'broken', ...once }],
      onFailure: { fallback: { agent: 'recall' } },
    };
    const plan: Step = {
      type: 'sequence',
      steps: [says({ first: 1 }), inner, { type: 'agent', agent: 'recall' }],
    };
    const { result } = await outcomeOf(plan);
    expect(result.output).toEqual(['1 says', '2.fallback recall']);
    expect(result.degraded.map(({ address, instead }) => `${address} ${instead}`)).toEqual([
      '2.2 failed',
      '2 fallback',
    ]);
  });

  test('a plan needs no agent: it may be nothing but a wait', async () => {
    const { result } = await outcomeOf({ type: 'wait', for: 'timer', durationMs: 50 });
    expect(result).toMatchObject({ status: 'completed', agents: [] });
  });

  test('a timer lets time pass and leaves nothing', async () => {
    const plan: Step = {
      type: 'sequence',
      steps: [
        says({ a: 1 }),
        { type: 'wait', for: 'timer', durationMs: 50 },
        { type: 'agent', agent: 'recall' },
      ],
    };
    expect((await outcomeOf(plan)).result.output).toEqual(['1 says']);
  });
});

test('cancelling a run ends timers, pauses and waiting branches at once', async () => {
  const branch: Step = {
    type: 'sequence',
    steps: [{ type: 'agent', agent: 'broken', ...once }],
    retry: { maxAttempts: 2, initialIntervalMs: 600_000 },
  };
  const plan: Step = {
    type: 'parallel',
    steps: [branch, { type: 'wait', for: 'timer', durationMs: 600_000 }, says({ a: 1 })],
  };
  const { runId } = await team.client.start({ task: 'Stop', plan });
  const ended = new Set<string>();
  for await (const { type, address } of team.client.events(runId)) {
    if (type === 'agent.completed' || type === 'agent.failed') ended.add(address ?? '');
    if (ended.size === 2) break;
  }
  await team.client.cancel(runId);
  expect(await team.client.result(runId)).toMatchObject({ status: 'cancelled' });
});
