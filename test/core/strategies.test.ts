import fc from 'fast-check';
import { decide } from '../../src/core/strategies';
import type { StepOutcome, Visit } from '../../src/core/strategies/strategy';
import type { CompositeStep, ParallelStep, Step } from '../../src/protocol/plan';

const agent = (name: string): Step => ({ type: 'agent', agent: name });
const done = (text: string): StepOutcome => ({ type: 'done', output: { inline: text } });
const failed: StepOutcome = { type: 'failed', failure: { code: 'AGENT_FAILED', message: 'no' } };
const skipped: StepOutcome = { type: 'skipped' };
const visit = (child: number, outcome?: StepOutcome): Visit =>
  outcome === undefined ? { child } : { child, outcome };

describe('sequential', () => {
  const step: CompositeStep = { type: 'sequence', steps: [agent('a'), agent('b'), agent('c')] };

  test('starts the first, waits for it, then starts the next', () => {
    expect(decide(step, [])).toEqual({ type: 'start', children: [0] });
    expect(decide(step, [visit(0)])).toEqual({ type: 'wait' });
    expect(decide(step, [visit(0, done('1'))])).toEqual({ type: 'start', children: [1] });
  });

  test('ends with the last output there is', () => {
    const visits = [visit(0, done('1')), visit(1, done('2')), visit(2, skipped)];
    expect(decide(step, visits)).toEqual({ type: 'finish', output: { inline: '2' } });
    expect(
      decide(
        step,
        [0, 1, 2].map((i) => visit(i, skipped)),
      ),
    ).toEqual({ type: 'finish', output: { inline: null } });
  });

  test('fails with its first failed child', () => {
    expect(decide(step, [visit(0, failed)])).toMatchObject({
      type: 'fail',
      failure: { code: 'AGENT_FAILED' },
    });
  });
});

describe('parallel', () => {
  const steps = [agent('a'), agent('b'), agent('a')];
  const parallel = (more: Partial<ParallelStep> = {}): CompositeStep => ({
    type: 'parallel',
    steps,
    ...more,
  });

  test('starts all at once, or as many as may run', () => {
    expect(decide(parallel(), [])).toEqual({ type: 'start', children: [0, 1, 2] });
    expect(decide(parallel({ maxConcurrency: 2 }), [])).toEqual({ type: 'start', children: [0, 1] });
    expect(decide(parallel({ maxConcurrency: 2 }), [visit(0), visit(1)])).toEqual({ type: 'wait' });
    expect(decide(parallel({ maxConcurrency: 2 }), [visit(0, done('1')), visit(1)])).toEqual({
      type: 'start',
      children: [2],
    });
  });

  test('merges by name whatever the order of the ends, and keeps both of a name', () => {
    const visits = [visit(2, done('3')), visit(0, done('1')), visit(1, skipped)];
    expect(decide(parallel(), visits)).toEqual({
      type: 'finish',
      output: { record: { a: { inline: '1' }, 'a-3': { inline: '3' } } },
    });
  });

  test('asks an aggregating agent once, and ends with what it says', () => {
    const step = parallel({ aggregate: { agent: 'judge' } });
    const branches = [visit(0, done('1')), visit(1, done('2')), visit(2, skipped)];
    expect(decide(step, branches)).toEqual({ type: 'start', children: [3] });
    expect(decide(step, [...branches, visit(3)])).toEqual({ type: 'wait' });
    expect(decide(step, [...branches, visit(3, done('all'))])).toEqual({
      type: 'finish',
      output: { inline: 'all' },
    });
  });

  test('fails when nothing came of any branch', () => {
    expect(
      decide(
        parallel(),
        [0, 1, 2].map((i) => visit(i, skipped)),
      ),
    ).toMatchObject({ type: 'fail' });
  });
});

test('every flat plan ends after at most one visit per child, whatever happens in whatever order', () => {
  const outcome = fc.constantFrom(done('x'), failed, skipped);
  fc.assert(
    fc.property(
      fc.constantFrom('sequence', 'parallel'),
      fc.integer({ min: 1, max: 8 }),
      fc.option(fc.integer({ min: 1, max: 8 }), { nil: undefined }),
      fc.array(fc.tuple(fc.nat(), outcome), { minLength: 20, maxLength: 20 }),
      (type, width, maxConcurrency, script) => {
        const steps = Array.from({ length: width }, () => agent('a'));
        const step = (
          type === 'sequence' ? { type, steps } : { type, steps, maxConcurrency }
        ) as CompositeStep;
        const visits: Visit[] = [];
        for (let turn = 0; turn < 2 * width + 2; turn += 1) {
          const decision = decide(step, visits);
          if (decision.type === 'finish' || decision.type === 'fail') return visits.length <= width;
          if (decision.type === 'start') {
            visits.push(...decision.children.map((child) => ({ child })));
            if (maxConcurrency !== undefined && type === 'parallel')
              expect(visits.filter((v) => v.outcome === undefined).length).toBeLessThanOrEqual(
                maxConcurrency,
              );
            continue;
          }
          const open = visits.flatMap((v, i) => (v.outcome === undefined ? [i] : []));
          const [pick, end] = script[turn] ?? [0, done('x')];
          const index = open[pick % open.length] ?? 0;
          visits[index] = { child: visits[index]?.child ?? 0, outcome: end };
        }
        return false;
      },
    ),
    { numRuns: 2_000 },
  );
});
