import { planProblems, type PlanProblem } from '../../src/core/plan';
import type { Json } from '../../src/protocol/json';
import type { Step } from '../../src/protocol/plan';
import { planIssues } from '../../src/protocol/plan/problem';
import { Random } from '../gate/support/random';
import { broken, FAULTS } from './support/broken-plan';
import { CATALOGUE, PlanMaker } from './support/random-plan';

const KINDS = Object.keys(FAULTS);
const PLACES = 6;

function problemsOf(plan: Json): readonly PlanProblem[] {
  const issues = planIssues(plan);
  return issues.length > 0 ? issues : planProblems(plan as unknown as Step, CATALOGUE);
}

test('there are at least 200 broken plans', () => {
  expect(KINDS.length * PLACES).toBeGreaterThanOrEqual(200);
});

describe.each(KINDS)('%s', (how) => {
  const seeds = Array.from({ length: PLACES }, (_, index) => 1_000 * KINDS.indexOf(how) + index);

  test.each(seeds)('is refused where it stands (%d)', (seed) => {
    const random = new Random(seed);
    const { plan, path } = broken(new PlanMaker(random).plan(), how, random);
    const problems = problemsOf(plan);
    // A plan too deep is named where it gets too deep.
    const found = problems.find((one) =>
      how.startsWith('nesting') ? one.path.startsWith(path) : one.path === path,
    );
    expect({ path, problems }).toMatchObject({ path: found?.path.slice(0, path.length) ?? 'nowhere' });
    for (const { message, hint } of problems) {
      expect(message.length).toBeGreaterThan(5);
      expect(hint.length).toBeGreaterThan(2);
    }
  });
});

test('all problems of a plan are told at once', () => {
  const plan: Step = {
    type: 'sequence',
    steps: [
      { type: 'agent', agent: 'alfa' },
      { type: 'agent', agent: 'alpha', input: { level: 0 } },
      { type: 'agent', agent: 'beta', when: { op: 'eq', pointer: '/last/verdikt', value: 'pass' } },
      {
        type: 'loop',
        step: { type: 'agent', agent: 'beta' },
        maxIterations: 3,
        until: { op: 'exists', pointer: '/task' },
      },
    ],
  };
  expect(
    planProblems(plan, CATALOGUE).map(({ path, message, hint }) => `${path} ${message} (${hint})`),
  ).toEqual([
    'plan.steps[0].agent names the unknown agent "alfa" (known agents: alpha, beta, chooser, delta, gamma, judge, numbers, router)',
    'plan.steps[1].input.level must be at least 1 ("alpha" takes the fields level)',
    'plan.steps[3].until asks only for what the loop cannot change, so it ends after one pass or after all 3 (ask for /last, /outputs, /context or /iteration)',
    'plan.steps[2].when asks for "/last/verdikt", which the output of "alpha" never has (it has next, score, text, verdict)',
  ]);
});

test.each([
  ['text', '"plan"'],
  ['a list', '[]'],
  ['null', 'null'],
  ['an endless nesting', `${'{"type":"sequence","steps":['.repeat(50_000)}${']}'.repeat(50_000)}`],
])('%s is no plan', (_, text) => {
  const problems = planIssues(JSON.parse(text));
  expect(problems).toHaveLength(1);
  expect(problems[0]?.path).toBe('plan');
});
