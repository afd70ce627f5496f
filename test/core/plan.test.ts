import { agentsOf, childAddress, ROOT_ADDRESS } from '../../src/core/addresses';
import { ContextBook } from '../../src/core/context/book';
import { contextKeyProblem } from '../../src/core/context/keys';
import { onFailureOf } from '../../src/core/on-failure';
import { expandPlan, planProblems, type Catalogue } from '../../src/core/plan';
import { planSummary } from '../../src/core/plan-summary';
import { addUsage, NO_USAGE } from '../../src/core/usage';
import type { Usage } from '../../src/protocol/agent';
import { LIMITS } from '../../src/protocol/limits';
import { RunRequest } from '../../src/protocol/run';
import type { CompositeStep, Step } from '../../src/protocol/plan';

const known: Catalogue = {
  agents: new Map([
    ['react', {}],
    ['evaluator', {}],
  ]),
};
const agent = (name: string): Step => ({ type: 'agent', agent: name });

test('the shorthand expands to the plan it stands for', () => {
  expect(expandPlan({ strategy: 'sequential', agents: ['a', 'b'] })).toEqual({
    type: 'sequence',
    steps: [agent('a'), agent('b')],
  });
  expect(expandPlan({ strategy: 'parallel', agents: ['a'], aggregate: 'concat' })).toEqual({
    type: 'parallel',
    steps: [agent('a')],
    aggregate: 'concat',
  });
});

test('every unknown agent is reported at once, with its path and a way out', () => {
  const plan: Step = {
    type: 'sequence',
    steps: [
      agent('reakt'),
      {
        type: 'parallel',
        steps: [{ ...agent('react'), onFailure: { fallback: { agent: 'nobody' } } }],
        aggregate: { agent: 'judge' },
      },
    ],
  };
  expect(planProblems(plan, known).map(({ path, message }) => `${path} ${message}`)).toEqual([
    'plan.steps[0].agent names the unknown agent "reakt"; did you mean "react"?',
    'plan.steps[1].aggregate.agent names the unknown agent "judge"',
    'plan.steps[1].steps[0].onFailure.fallback.agent names the unknown agent "nobody"',
  ]);
  expect(planProblems(plan, known)[0]?.hint).toBe('known agents: evaluator, react');
});

test('depth and number of agents are limited', () => {
  let deep: Step = agent('react');
  for (let i = 0; i < LIMITS.planDepth; i += 1) deep = { type: 'sequence', steps: [deep] };
  expect(planProblems(deep, known)[0]?.message).toContain(`deeper than ${LIMITS.planDepth}`);
  const half = Array.from({ length: LIMITS.agentsPerRun / 2 + 1 }, () => agent('react'));
  const wide: Step = {
    type: 'sequence',
    steps: [
      { type: 'parallel', steps: half },
      { type: 'parallel', steps: half },
    ],
  };
  expect(planProblems(wide, known)[0]?.message).toContain('502 agents; the limit is 500');
});

test.each([
  [{ task: ' ', plan: { strategy: 'sequential', agents: ['a'] } }, 'task'],
  [{ task: 't', plan: { strategy: 'sequential', agents: [] } }, 'plan'],
  [{ task: 't', plan: { strategy: 'chaotic', agents: ['a'] } }, 'plan'],
  [{ task: 't', plan: { type: 'agent', agent: 'Not A Name' } }, 'plan'],
  [{ task: 't', plan: { type: 'sequence', steps: [{ type: 'agent', agent: 'a', timeoutMs: 0 }] } }, 'plan'],
])('the request %j is refused at %s', (request, field) => {
  const parsed = RunRequest.safeParse(request);
  expect(parsed.success).toBe(false);
  expect(parsed.error?.issues[0]?.path[0]).toBe(field);
});

test('a failed child fails a sequence and is skipped in parallel, unless its step says otherwise', () => {
  const sequence: CompositeStep = { type: 'sequence', steps: [] };
  const parallel: CompositeStep = { type: 'parallel', steps: [] };
  expect(onFailureOf(agent('a'), sequence)).toBe('fail');
  expect(onFailureOf(agent('a'), parallel)).toBe('skip');
  expect(onFailureOf(agent('a'), undefined)).toBe('fail');
  expect(onFailureOf({ ...agent('a'), onFailure: 'skip' } as Step, sequence)).toBe('skip');
});

test('addresses are dotted, aggregators and fallbacks have theirs', () => {
  expect(childAddress(ROOT_ADDRESS, 0)).toBe('1');
  expect(childAddress('2', 2)).toBe('2.3');
  expect(childAddress(ROOT_ADDRESS, 'aggregate')).toBe('aggregate');
  expect(childAddress('2.3', 'fallback')).toBe('2.3.fallback');
});

test('a plan names its agents and summarises itself', () => {
  const plan: Step = {
    type: 'sequence',
    steps: [agent('a'), { type: 'parallel', steps: [agent('b'), agent('c')], aggregate: { agent: 'd' } }],
  };
  expect(agentsOf(plan)).toEqual(['a', 'b', 'c', 'd']);
  expect(planSummary(plan)).toBe('a → (b | c) → d');
});

test('context writes count versions per key', () => {
  const book = new ContextBook();
  book.write({ op: 'set', key: 'k', value: { inline: 1 } }, 'a');
  const first = book.seen('k');
  book.write({ op: 'set', key: 'k', value: { inline: 2 } }, 'b');
  expect(first).toEqual({ value: { inline: 1 }, version: 1, author: 'a' });
  expect(book.seen('k')).toEqual({ value: { inline: 2 }, version: 2, author: 'b' });
});

test('keys of the run, empty and endless ones cannot be written', () => {
  expect(contextKeyProblem('note')).toBeUndefined();
  expect(contextKeyProblem('task')).toContain('belongs to the run');
  expect(contextKeyProblem('')).toContain('empty');
  expect(contextKeyProblem('k'.repeat(LIMITS.contextKeyChars + 1))).toContain(
    `the limit is ${LIMITS.contextKeyChars}`,
  );
});

test('unknown parts stay unknown in a sum', () => {
  const known = {
    modelCalls: 1,
    inputTokens: 4,
    outputTokens: 2,
    cachedInputTokens: 1,
    reasoningTokens: 0,
    costMicros: 9,
  };
  const { costMicros: _, ...older } = known;
  expect(addUsage(addUsage(NO_USAGE, { ...known, outputTokens: null }), known)).toEqual({
    modelCalls: 2,
    inputTokens: 8,
    outputTokens: null,
    cachedInputTokens: 2,
    reasoningTokens: 0,
    costMicros: 18,
  });
  // What a worker of an older version brought back.
  expect(addUsage(known, older as Usage)).toMatchObject({ modelCalls: 2, inputTokens: 8, costMicros: null });
});
