import { z } from 'zod';
import type { AgentTask } from '../../src/agents/base-agent';
import { RouterAgent } from '../../src/agents/built-in/router';
import type { Step } from '../../src/protocol/plan';
import { anAgent } from '../support/agents';
import { scriptedModel, type ScriptedModel } from '../../src/agents/testing/scripted-model';
import { startTeam, type Team } from '../support/team';
import { decisionsOf, storyOf } from './support/story';

const inputOf = (task: AgentTask): Record<string, unknown> => task.input as Record<string, unknown>;
const asked: string[] = [];

const agents = [
  RouterAgent,
  anAgent('draft', (task) => ({ score: inputOf(task)['score'] ?? 0, filler: 'x'.repeat(20_000) })),
  anAgent('improve', (task) => ({ score: 9, seen: task.previous.map(({ address }) => address) })),
  anAgent('publish', () => ({ published: true })),
  // A router of one's own: follows the list in the run's input, then finishes.
  anAgent(
    'guide',
    (task, { runId }) => {
      asked.push(runId);
      const route = inputOf(task)['route'] as readonly string[];
      const next = route[asked.filter((one) => one === runId).length - 1] ?? 'finish';
      return { next, reason: `step ${next} was on the list` };
    },
    { input: z.unknown() },
  ),
  anAgent('clerk', (task) => ({ pass: inputOf(task)['pass'] })),
];

let team: Team;
let model: ScriptedModel;
beforeAll(async () => {
  model = scriptedModel();
  team = await startTeam(agents, model);
});
afterAll(() => team[Symbol.asyncDispose]());

async function routeOf(plan: Step, input: Record<string, unknown>) {
  const result = await team.client.run({ task: 'Write it', plan, input: input as never });
  const story = await storyOf(team.client, result.runId);
  return {
    result,
    story,
    agents: result.agents.map(({ address }) => address),
    decisions: decisionsOf(story),
  };
}

const agent = (name: string): Step => ({ type: 'agent', agent: name });
const options = ['draft', 'improve', 'publish'].map((id) => ({ id, step: agent(id) }));

describe('rules choose the next option by what the last one brought, also where that is a blob', () => {
  const plan: Step = {
    type: 'adaptive',
    options,
    first: 'draft',
    router: {
      by: 'rules',
      rules: [
        { when: { op: 'exists', pointer: '/last/published' }, next: 'finish' },
        { when: { op: 'gte', pointer: '/last/score', value: 7 }, next: 'publish' },
        { when: { op: 'gte', pointer: '/last/score', value: 3 }, next: 'improve' },
      ],
    },
  };
  test.each([
    [9, ['1', '3']],
    [5, ['1', '2', '3']],
    [1, ['1']],
  ])('score %d goes by %j', async (score, route) => {
    const { result, agents: run, story } = await routeOf(plan, { score });
    expect(result.status).toBe('completed');
    expect(run).toEqual(route);
    const decided = story.filter(({ type }) => type === 'step.decided');
    expect(decided).toHaveLength(route.length + 1);
    expect(decided[0]?.data).toMatchObject({
      kind: 'route',
      chosen: 'draft',
      reason: 'the plan begins with it',
      alternatives: ['improve', 'publish', 'finish'],
    });
    // A decision stands in the story before what it caused.
    for (const [index, event] of decided.slice(0, -1).entries()) {
      const started = story.find(({ type, address }) => type === 'agent.started' && address === route[index]);
      expect(event.seq).toBeLessThan(started?.seq ?? 0);
    }
  });
});

describe('an agent as a router is asked before every step', () => {
  const plan: Step = { type: 'adaptive', options, router: { by: 'agent', agent: 'guide' } };
  test.each([
    [['publish'], ['router', '3', 'router#2']],
    [
      ['draft', 'publish'],
      ['router', '1', 'router#2', '3', 'router#3'],
    ],
    [
      ['draft', 'improve', 'improve'],
      ['router', '1', 'router#2', '2', 'router#3', '2#2', 'router#4'],
    ],
  ])('%j', async (route, addresses) => {
    const { result, agents: run, decisions } = await routeOf(plan, { route });
    expect(result).toMatchObject({ status: 'completed', degraded: [] });
    expect(run).toEqual(addresses);
    expect(decisions).toEqual([...route, 'finish'].map((next) => `0 route ${next}`));
  });

  test('what it names and is no option goes where the step says, or fails it', async () => {
    const lost = await routeOf(plan, { route: ['nowhere'] });
    expect(lost.result.failure).toMatchObject({ code: 'STEP_UNDECIDED' });
    const router = { ...plan.router, otherwise: 'publish' } as const;
    const found = await routeOf({ ...plan, router }, { route: ['nowhere'] });
    expect(found.agents).toEqual(['router', '3', 'router#2']);
  });
});

describe('a model as a router answers one of the options, with its reason', () => {
  const described = options.map((option) => ({ ...option, description: `Does ${option.id}` }));
  const plan: Step = {
    type: 'adaptive',
    options: described,
    router: { by: 'model', instructions: 'Be quick' },
  };
  test.each([
    [
      ['publish', 'finish'],
      ['router', '3', 'router#2'],
    ],
    [
      ['draft', 'publish', 'finish'],
      ['router', '1', 'router#2', '3', 'router#3'],
    ],
    [['finish'], ['router']],
  ])('%j', async (answers, addresses) => {
    model.answers(...answers.map((next) => JSON.stringify({ next, reason: `because of ${next}` })));
    const before = model.requests.length;
    const { result, agents: run, story } = await routeOf(plan, {});
    expect(run).toEqual(addresses);
    expect(model.requests.length - before).toBe(answers.length);
    expect(result.usage.modelCalls).toBe(answers.length);
    const reasons = story.filter(({ type }) => type === 'step.decided').map(({ data }) => data['reason']);
    expect(reasons).toEqual(answers.map((next) => `because of ${next}`));
    expect(JSON.stringify(model.requests.at(-1))).toContain('Does publish');
  });

  test('an answer that is no option is repaired', async () => {
    model.answers('{"next": "dance", "reason": "why not"}', '{"next": "finish", "reason": "well"}');
    const { result } = await routeOf(plan, {});
    expect(result).toMatchObject({ status: 'completed', usage: { modelCalls: 2 } });
  });
});

test('an output hands off to the next option, and the router is asked only where it names none', async () => {
  const plan: Step = {
    type: 'adaptive',
    first: 'triage',
    handOff: '/pass',
    options: [
      { id: 'triage', step: agent('clerk') },
      { id: 'publish', step: agent('publish') },
    ],
    router: { by: 'rules', rules: [], otherwise: 'finish' },
  };
  const { decisions, agents: run } = await routeOf(plan, { pass: 'publish' });
  expect(run).toEqual(['1', '2']);
  expect(decisions).toEqual(['0 route triage', '0 hand-off publish', '0 route finish']);
});

test('a step that goes on for too long ends with its limit, as it says', async () => {
  const base = {
    type: 'adaptive' as const,
    options: [{ id: 'draft', step: agent('draft') }],
    router: { by: 'rules' as const, rules: [], otherwise: 'draft' },
    maxSteps: 3,
  };
  const failed = await routeOf(
    { ...base, onLimit: 'fail', router: { ...base.router, rules: [never('finish')] } },
    {},
  );
  expect(failed.result.failure).toMatchObject({ code: 'STEP_LIMIT' });
  expect(failed.agents).toEqual(['1', '1#2', '1#3']);
  const finished = await routeOf({ ...base, onLimit: 'finish' }, { score: 4 });
  expect(finished.result).toMatchObject({ status: 'completed', output: { score: 4 } });
  expect(finished.decisions.at(-1)).toBe('0 limit finish');
});

function never(next: string) {
  return { when: { op: 'exists' as const, pointer: '/input/never' }, next };
}
