import { agentsOf } from '../../src/core/addresses';
import { consequenceOf } from '../../src/core/on-failure';
import { expandPlan, planProblems } from '../../src/core/plan';
import { boundsOfChild, worstCase } from '../../src/core/plan/bounds';
import { factsWanted, factsWantedAt } from '../../src/core/plan/facts-wanted';
import { planSummary } from '../../src/core/plan-summary';
import type { CompositeStep, Step } from '../../src/protocol/plan';
import { CATALOGUE } from './support/random-plan';

const alpha: Step = { type: 'agent', agent: 'alpha' };
const beta: Step = { type: 'agent', agent: 'beta' };

const review: Step = {
  type: 'sequence',
  steps: [
    { ...alpha, id: 'draft' },
    {
      type: 'loop',
      maxIterations: 3,
      until: { op: 'eq', pointer: '/last/verdict', value: 'pass' },
      step: {
        type: 'sequence',
        steps: [
          { ...beta, onFailure: { fallback: { agent: 'gamma' } } },
          { type: 'agent', agent: 'judge', when: { op: 'gt', pointer: '/outputs/beta/score', value: 2 } },
        ],
      },
    },
    {
      type: 'adaptive',
      options: [{ id: 'one', step: alpha }],
      router: { by: 'model' },
      handOff: '/next',
    },
    {
      type: 'parallel',
      steps: [alpha, beta],
      aggregate: { best: '/score' },
      when: {
        op: 'and',
        of: [
          { op: 'exists', pointer: '/outputs/draft/text' },
          { op: 'eq', pointer: '/context/note/level', value: 1 },
          { op: 'prefix', pointer: '/task', value: 'Do' },
          { op: 'exists', pointer: '/input/files' },
        ],
      },
    },
  ],
};

test('what predicates ask for is known before the start, by who makes it', () => {
  expect(planProblems(review, CATALOGUE)).toEqual([]);
  const wanted = factsWanted(review);
  expect(wanted).toEqual({
    outputs: {
      '1': ['/text'],
      '2.1.1': ['/score', '/verdict'],
      '2.1.1.fallback': ['/score', '/verdict'],
      '2.1.2': ['/verdict'],
      '3.1': ['/next'],
      '3.router': ['/next', '/reason'],
      '4.1': ['/score'],
      '4.2': ['/score'],
    },
    entries: {},
    context: { note: ['/level'] },
    input: ['/files'],
    task: [''],
  });
  expect(factsWantedAt(wanted, '2.1#3.1~2.fallback')).toEqual(['/score', '/verdict']);
  expect(factsWantedAt(wanted, '9')).toEqual([]);
});

test.each<[Step, number]>([
  [alpha, 1],
  [{ ...alpha, onFailure: { fallback: { agent: 'beta' } } }, 2],
  [{ ...alpha, retry: { maxAttempts: 9 } }, 1],
  [{ type: 'sequence', steps: [alpha, beta], retry: { maxAttempts: 3 } }, 6],
  [{ type: 'parallel', steps: [alpha, beta], aggregate: { agent: 'judge' } }, 3],
  [{ type: 'loop', step: { type: 'sequence', steps: [alpha, beta] }, maxIterations: 4 }, 8],
  [{ type: 'adaptive', options: [{ id: 'a', step: alpha }], router: { by: 'model' } }, 21],
  [
    {
      type: 'adaptive',
      options: [{ id: 'a', step: alpha }],
      router: { by: 'rules', rules: [] },
      maxSteps: 3,
    },
    3,
  ],
  [{ type: 'map', over: '/input/list', step: alpha }, 100],
  [{ type: 'run', plan: { type: 'sequence', steps: [alpha, beta] } }, 2],
  [{ type: 'wait', for: 'timer', durationMs: 1 }, 0],
])('the worst case of %j is %d executions', (step, executions) => {
  expect(worstCase(step)).toBe(executions);
});

test('a child run may do what its parent has left, and nothing without depth', () => {
  expect(boundsOfChild({ executions: 10, depth: 2 }, 4)).toEqual({ executions: 6, depth: 1 });
  expect(boundsOfChild({ executions: 10, depth: 2 }, 10)).toBeUndefined();
  expect(boundsOfChild({ executions: 10, depth: 0 }, 0)).toBeUndefined();
});

test('runs inside runs have a limit', () => {
  let plan: Step = alpha;
  for (let depth = 0; depth < 6; depth += 1) plan = { type: 'run', plan };
  expect(planProblems(plan, CATALOGUE)).toMatchObject([
    { path: `plan${'.plan'.repeat(6)}`, message: 'is a run inside 5 others; the limit is 5' },
  ]);
});

test('a child run sees another world: names and outputs are its own', () => {
  const plan: Step = {
    type: 'sequence',
    steps: [
      { ...alpha, id: 'draft' },
      {
        type: 'run',
        id: 'inner',
        plan: { ...beta, id: 'draft', when: { op: 'exists', pointer: '/outputs/draft' } },
      },
      { ...beta, when: { op: 'exists', pointer: '/outputs/inner/anything' } },
    ],
  };
  expect(planProblems(plan, CATALOGUE)).toMatchObject([{ path: 'plan.steps[1].plan.when' }]);
  expect(factsWanted(plan).outputs).toEqual({ '2': ['/anything'] });
});

test('the adaptive shorthand lets a model choose among the agents', () => {
  const plan = expandPlan({ strategy: 'adaptive', agents: ['alpha', 'beta'], maxSteps: 4 });
  expect(plan).toEqual({
    type: 'adaptive',
    options: [
      { id: 'alpha', step: alpha },
      { id: 'beta', step: beta },
    ],
    router: { by: 'model' },
    maxSteps: 4,
  });
  expect(planProblems(plan, CATALOGUE)).toEqual([]);
  expect(agentsOf(plan)).toEqual(['alpha', 'beta', 'router']);
});

test('a failure is reported once: where it began, or where something is done instead', () => {
  const sequence: CompositeStep = { type: 'sequence', steps: [alpha] };
  const parallel: CompositeStep = { type: 'parallel', steps: [alpha] };
  expect(consequenceOf(alpha, sequence, { own: true })).toEqual({ rule: 'fail', report: 'failed' });
  expect(consequenceOf(sequence, sequence, { own: false })).toEqual({ rule: 'fail' });
  expect(consequenceOf(sequence, parallel, { own: false })).toEqual({ rule: 'skip', report: 'skipped' });
  const onFailure = { fallback: { value: 1 } };
  expect(consequenceOf({ ...alpha, onFailure }, sequence, { own: true })).toEqual({
    rule: onFailure,
    report: 'fallback',
  });
});

test('every step has its place in the summary', () => {
  const plan: Step = {
    type: 'sequence',
    steps: [
      { type: 'adaptive', options: [{ id: 'a', step: alpha }], router: { by: 'model' } },
      { type: 'loop', step: beta, maxIterations: 3 },
      { type: 'map', over: '/input/files', step: alpha },
      { type: 'run', stored: { name: 'nightly' } },
      { type: 'run', plan: beta },
      { type: 'approval', prompt: 'Go on?', timeoutMs: 1 },
      { type: 'wait', for: 'timer', durationMs: 1 },
    ],
  };
  expect(planSummary(plan)).toBe(
    'one of (alpha) → (beta) up to 3 times → each of /input/files (alpha) → run (nightly) → run (beta) → approval → wait for timer',
  );
});
