import fc from 'fast-check';
import { planAddress, ROOT_ADDRESS } from '../../src/core/addresses';
import { planProblems } from '../../src/core/plan';
import { worstCase } from '../../src/core/plan/bounds';
import { LIMITS } from '../../src/protocol/limits';
import { placesOf, rootPlace } from '../../src/core/plan/places';
import { Step } from '../../src/protocol/plan';
import { planIssues } from '../../src/protocol/plan/problem';
import { checkPlan } from '../../src/workflows/check-plan';
import { Random } from '../gate/support/random';
import { CATALOGUE, PlanMaker } from './support/random-plan';
import { type Entry, Simulation } from './support/simulation';

const RUNS = 10_000;
/** Settled executions beyond which a run has no end: more than agents alone, since waits and approvals settle too. */
const EVENTS = 20_000;

function simulate(seed: number): { plan: Step; run: Simulation } {
  const random = new Random(seed);
  const plan = new PlanMaker(random).plan();
  expect(planProblems(plan, CATALOGUE)).toEqual([]);
  const run = new Simulation(plan, random);
  const failure = random.pick([0, 0.05, 0.3, 0.8]);
  run.run({ failure, cancellation: random.pick([0, 0, 0, 0.05]) }, EVENTS);
  return { plan, run };
}

/** What a start found among its siblings that it should not have. */
function tooEarly(log: readonly Entry[]): string[] {
  const problems: string[] = [];
  const open = new Map<string, Set<string>>();
  const ended = new Set<string>();
  const children = new Map<string, number[]>();
  for (const entry of log) {
    if (entry.what === 'end') {
      ended.add(entry.address);
      for (const siblings of open.values()) siblings.delete(entry.address);
    }
    if (entry.what !== 'start' || entry.within === undefined) continue;
    const { address, step, child } = entry.within;
    const running = open.get(address) ?? new Set();
    const before = children.get(address) ?? [];
    const isBranch = step.type === 'map' || (step.type === 'parallel' && child < step.steps.length);
    if (!isBranch && running.size > 0) problems.push(`${entry.address} starts beside ${[...running].join()}`);
    if (isBranch && running.size >= (step.maxConcurrency ?? Infinity))
      problems.push(`${entry.address} is too many`);
    if ((step.type === 'sequence' || (isBranch && step.type !== 'map')) && child !== before.length)
      problems.push(`${entry.address} is out of order`);
    // An attempt's address names the step it is of before the tilde.
    if (ended.has(address.replace(/~\d+$/, '')))
      problems.push(`${entry.address} starts in a step that has ended`);
    open.set(address, running.add(entry.address));
    children.set(address, [...before, child]);
  }
  return problems;
}

/** Whether an address, its visits and helpers aside, is that of a step of the plan. */
function isIn(plan: Step, address: string): boolean {
  const place = planAddress(address).replace(/\.?(aggregate|router|fallback)$/, '') || ROOT_ADDRESS;
  return placesOf(rootPlace(plan), LIMITS.planDepth).some((one) => one.address === place);
}

/** Steps that ended badly though neither they nor anything in them was reported. */
function unreported({ log, reported, outcome }: Simulation): string[] {
  const bad = log.flatMap((entry) =>
    entry.what === 'end' && (entry.outcome === 'failed' || entry.outcome === 'skipped')
      ? [entry.address]
      : [],
  );
  const root = outcome?.type === 'failed' || outcome?.type === 'skipped' ? [ROOT_ADDRESS] : [];
  const all = [...reported];
  return [...bad, ...root].filter(
    (address) =>
      !all.some((one) => one === address || address === ROOT_ADDRESS || /^[.~]/.test(after(one, address))),
  );
}

function after(text: string, beginning: string): string {
  return text.startsWith(beginning) ? text.slice(beginning.length) : '';
}

test('plans of every kind pass the schema, the check of the workflow and a journey as JSON', () => {
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const plan = new PlanMaker(new Random(seed)).plan();
      const copy = JSON.parse(JSON.stringify(plan)) as Step;
      expect(planIssues(copy)).toEqual([]);
      expect(checkPlan(copy, 'plan')).toBeUndefined();
      expect(Step.parse(copy)).toEqual(copy);
    }),
    { numRuns: 1_000, endOnFailure: true },
  );
});

test(`${RUNS} plans with random failures, decisions and cancellations keep every promise`, () => {
  const seen = new Set<string>();
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const { plan, run } = simulate(seed);
      expect(run.problems).toEqual([]);
      // Bounded, by what validation reckoned with.
      expect(run.executions).toBeLessThanOrEqual(worstCase(plan));
      // Nothing before what it needs, and nothing twice.
      expect(tooEarly(run.log)).toEqual([]);
      const starts = run.log.flatMap((entry) => (entry.what === 'start' ? [entry.address] : []));
      expect(new Set(starts).size).toBe(starts.length);
      expect(starts.filter((address) => !isIn(plan, address))).toEqual([]);
      // Nobody fails in silence.
      expect(unreported(run)).toEqual([]);
      seen.add(run.cancelled ? 'cancelled' : (run.outcome?.type ?? 'none'));
      for (const entry of run.log) {
        if (entry.what === 'decided') seen.add(entry.decided.kind);
        if (entry.what === 'start' && entry.within?.step.type === 'map') seen.add('entry');
      }
    }),
    { numRuns: RUNS, endOnFailure: true },
  );
  // The runs came upon everything that there is to come upon.
  const expected = ['done', 'failed', 'skipped', 'left-out', 'cancelled', 'entry'];
  const kinds = ['condition', 'route', 'hand-off', 'loop', 'quorum', 'vote', 'best', 'limit'];
  expect([...seen].toSorted()).toEqual([...expected, ...kinds].toSorted());
});
