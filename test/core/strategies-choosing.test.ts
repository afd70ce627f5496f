import { childAddress, planAddress, visitAddress } from '../../src/core/addresses';
import { EMPTY_SCOPE, type World } from '../../src/core/scope';
import { decide } from '../../src/core/strategies';
import { childrenOf } from '../../src/core/strategies/children';
import { leavesOf, scopeOfChild } from '../../src/core/strategies/child-scope';
import type { StepOutcome, Visit } from '../../src/core/strategies/strategy';
import type { Json } from '../../src/protocol/json';
import type { AdaptiveStep, LoopStep, ParallelStep, Step } from '../../src/protocol/plan';

const agent = (name: string): Step => ({ type: 'agent', agent: name });
const done = (inline: Json): StepOutcome => ({ type: 'done', output: { inline } });
const failed: StepOutcome = { type: 'failed', failure: { code: 'AGENT_FAILED', message: 'no' } };
const skipped: StepOutcome = { type: 'skipped' };
const leftOut: StepOutcome = { type: 'left-out' };
const cancelled: StepOutcome = { type: 'cancelled' };
const visit = (child: number, outcome?: StepOutcome): Visit =>
  outcome === undefined ? { child } : { child, outcome };

describe('a parallel step with a quorum', () => {
  const five = (more: Partial<ParallelStep>): ParallelStep => ({
    type: 'parallel',
    steps: ['a', 'b', 'c', 'd', 'e'].map(agent),
    ...more,
  });
  const running = [visit(0), visit(1), visit(2), visit(3), visit(4)];
  const withOutcomes = (...outcomes: (StepOutcome | undefined)[]): Visit[] =>
    running.map(({ child }, index) => visit(child, outcomes[index]));

  test('cancels the others at the first so many, then ends with what is done', () => {
    const step = five({ quorum: { first: 2 }, aggregate: 'concat' });
    const visits = withOutcomes(done(1), undefined, done(3));
    expect(decide(step, visits)).toEqual({
      type: 'cancel',
      visits: [1, 3, 4],
      decided: [
        {
          kind: 'quorum',
          chosen: 'enough',
          reason: '2 of 5 branches are done, 2 were needed',
          alternatives: ['await the others'],
        },
      ],
    });
    expect(decide(step, withOutcomes(done(1), cancelled, done(3), cancelled, cancelled))).toEqual({
      type: 'finish',
      output: { list: [{ inline: 1 }, { inline: 3 }] },
    });
  });

  test('does not start what is not needed any more, and says so', () => {
    const step = five({ quorum: { first: 1 }, maxConcurrency: 1 });
    expect(decide(step, [visit(0, done(1))])).toMatchObject({
      type: 'finish',
      output: { record: { a: { inline: 1 } } },
      decided: [{ kind: 'quorum' }],
    });
  });

  test('takes the majority of those that take part', () => {
    const step = five({ quorum: 'majority' });
    expect(decide(step, withOutcomes(done(1), done(2))).type).toBe('wait');
    expect(decide(step, withOutcomes(done(1), done(2), done(3))).type).toBe('cancel');
    expect(decide(step, withOutcomes(done(1), done(2), undefined, leftOut, leftOut)).type).toBe('cancel');
  });

  test('fails as soon as the quorum is out of reach', () => {
    expect(decide(five({ quorum: 'all' }), withOutcomes(skipped))).toMatchObject({
      type: 'fail',
      failure: { code: 'QUORUM_MISSED' },
    });
    expect(decide(five({ quorum: 'majority' }), withOutcomes(skipped, skipped, skipped))).toMatchObject({
      type: 'fail',
      failure: { message: expect.stringContaining('3 of 5') },
    });
    expect(decide(five({ quorum: 'all' }), withOutcomes(failed))).toMatchObject({
      failure: { code: 'AGENT_FAILED' },
    });
  });

  test.each<[ParallelStep['aggregate'], Json]>([
    ['merge', { record: {} }],
    ['concat', { list: [] }],
    [{ agent: 'judge' }, { inline: null }],
    [{ vote: '/v' }, { inline: null }],
  ])('of which every branch is left out ends with nothing by %j', (aggregate, output) => {
    const step = five({ aggregate, quorum: 'all' });
    expect(decide(step, withOutcomes(leftOut, leftOut, leftOut, leftOut, leftOut))).toEqual({
      type: 'finish',
      output,
    });
  });
});

describe('a choice among outputs', () => {
  const step = (aggregate: ParallelStep['aggregate']): ParallelStep => ({
    type: 'parallel',
    steps: [agent('a'), agent('b'), agent('a'), { ...agent('c'), id: 'last' }],
    aggregate,
  });
  const said = (...values: Json[]): Visit[] => values.map((v, child) => visit(child, done({ v, child })));

  test('by vote takes what most say, of the first branch that says it', () => {
    expect(decide(step({ vote: '/v' }), said('no', 'yes', 'yes', null))).toEqual({
      type: 'finish',
      output: { inline: { v: 'yes', child: 1 } },
      decided: [{ kind: 'vote', chosen: 'yes', reason: '2 of 3 votes at /v', alternatives: ['no'] }],
    });
  });

  test('by vote settles a tie for the earlier branch, in plan order', () => {
    const visits = said('no', 'yes', 'yes', 'no').toReversed();
    expect(decide(step({ vote: '/v' }), visits)).toMatchObject({
      output: { inline: { v: 'no', child: 0 } },
      decided: [{ reason: expect.stringContaining('tie') }],
    });
  });

  test('by score takes the highest number', () => {
    expect(decide(step({ best: '/v' }), said(1, 'nine', 7, 7))).toEqual({
      type: 'finish',
      output: { inline: { v: 7, child: 2 } },
      decided: [
        {
          kind: 'best',
          chosen: 'a-3',
          reason: '7 is the highest of 3 at /v',
          alternatives: ['a: 1', 'last: 7'],
        },
      ],
    });
  });

  test.each([{ vote: '/w' }, { best: '/w' }])('fails where nobody says anything by %j', (aggregate) => {
    expect(decide(step(aggregate), said(1, 2, 3, 4))).toMatchObject({
      type: 'fail',
      failure: { code: 'STEP_UNDECIDED', message: expect.stringContaining('/w') },
    });
  });
});

describe('a loop', () => {
  const loop: LoopStep = {
    type: 'loop',
    step: agent('a'),
    until: { op: 'eq', pointer: '/last/ok', value: true },
    maxIterations: 2,
  };

  test('goes round until its condition holds, and says why', () => {
    expect(decide(loop, [])).toEqual({ type: 'start', children: [0] });
    expect(decide(loop, [visit(0)])).toEqual({ type: 'wait' });
    expect(decide(loop, [visit(0, done({ ok: false }))])).toMatchObject({
      type: 'start',
      children: [0],
      decided: [{ kind: 'loop', chosen: 'repeat', alternatives: ['finish'] }],
    });
    const visits = [visit(0, done({ ok: false })), visit(0, done({ ok: true }))];
    expect(decide(loop, visits)).toMatchObject({
      type: 'finish',
      output: { inline: { ok: true } },
      decided: [{ chosen: 'finish', reason: "the loop's condition holds after 2 passes" }],
    });
  });

  test('fails at its limit, or ends there where it may', () => {
    const visits = [visit(0, done({ ok: false })), visit(0, skipped)];
    expect(decide(loop, visits)).toMatchObject({
      type: 'fail',
      failure: { code: 'STEP_LIMIT' },
      decided: [{ kind: 'limit', chosen: 'fail' }],
    });
    expect(decide({ ...loop, onLimit: 'finish' }, visits)).toMatchObject({
      type: 'finish',
      output: { inline: { ok: false } },
      decided: [{ kind: 'limit', chosen: 'finish' }],
    });
  });

  test('without a condition goes round so many times', () => {
    const { until: _, ...times } = loop;
    expect(decide(times, [visit(0, done(1))])).toEqual({ type: 'start', children: [0] });
    expect(decide(times, [visit(0, done(1)), visit(0, done(2))])).toEqual({
      type: 'finish',
      output: { inline: 2 },
    });
  });

  test('tells each pass what the one before left, and its number', () => {
    const outcome: StepOutcome = { ...done(1), leaves: { a: { inline: 1 } } } as StepOutcome;
    expect(scopeOfChild({ step: loop, child: 0 }, [], EMPTY_SCOPE)).toEqual({
      ...EMPTY_SCOPE,
      iteration: 1,
    });
    expect(scopeOfChild({ step: loop, child: 0 }, [visit(0, outcome)], EMPTY_SCOPE)).toEqual({
      ...EMPTY_SCOPE,
      iteration: 2,
      last: { inline: 1 },
      outputs: { a: { inline: 1 } },
    });
  });
});

describe('an adaptive step', () => {
  const ruled: AdaptiveStep = {
    type: 'adaptive',
    options: [
      { id: 'draft', step: agent('writer') },
      { id: 'check', description: 'Judges the draft', step: agent('critic') },
    ],
    first: 'draft',
    router: {
      by: 'rules',
      rules: [
        { when: { op: 'eq', pointer: '/last/good', value: true }, next: 'finish' },
        { when: { op: 'eq', pointer: '/last/good', value: false }, next: 'draft' },
      ],
      otherwise: 'check',
    },
    maxSteps: 3,
  };
  const asked: AdaptiveStep = {
    ...ruled,
    router: { by: 'agent', agent: 'chooser', input: { hint: 'be brief' } },
  };
  const world: World = { scope: EMPTY_SCOPE, facts: {} };

  test('follows its rules, each decision with its reason and its alternatives', () => {
    expect(decide(ruled, [])).toEqual({
      type: 'start',
      children: [0],
      decided: [
        {
          kind: 'route',
          chosen: 'draft',
          reason: 'the plan begins with it',
          alternatives: ['check', 'finish'],
        },
      ],
    });
    expect(decide(ruled, [visit(0, done('text'))])).toMatchObject({
      children: [1],
      decided: [{ reason: 'no rule holds' }],
    });
    expect(decide(ruled, [visit(0, done('text')), visit(1, done({ good: true }))])).toMatchObject({
      type: 'finish',
      output: { inline: { good: true } },
      decided: [{ chosen: 'finish', reason: 'rule 1 holds', alternatives: ['draft', 'check'] }],
    });
  });

  test('does not go beyond its limit', () => {
    const visits = [visit(0, done(1)), visit(1, done({ good: false })), visit(0, done(2))];
    expect(decide(ruled, visits)).toMatchObject({
      type: 'fail',
      failure: { code: 'STEP_LIMIT' },
      decided: [
        { kind: 'route', chosen: 'check' },
        { kind: 'limit', chosen: 'fail' },
      ],
    });
    expect(decide({ ...ruled, onLimit: 'finish' }, visits)).toMatchObject({
      type: 'finish',
      output: { inline: 2 },
    });
    const end = [visit(0, done(1)), visit(1, done(2)), visit(1, done({ good: true }))];
    expect(decide(ruled, end)).toMatchObject({ type: 'finish', output: { inline: { good: true } } });
  });

  test('asks its agent, which is told the options, and goes where the answer says', () => {
    expect(childrenOf(asked)[2]).toEqual({
      type: 'agent',
      agent: 'chooser',
      onFailure: 'fail',
      input: {
        hint: 'be brief',
        options: [{ id: 'draft' }, { id: 'check', description: 'Judges the draft' }],
      },
    });
    const first = [visit(0, done('text'))];
    expect(decide(asked, first)).toEqual({ type: 'start', children: [2] });
    const answered = [...first, visit(2, done({ next: 'check', reason: 'it is unread' }))];
    expect(decide(asked, answered)).toEqual({
      type: 'start',
      children: [1],
      decided: [
        { kind: 'route', chosen: 'check', reason: 'it is unread', alternatives: ['draft', 'finish'] },
      ],
    });
    const finished = [...answered, visit(1, done('good')), visit(2, done({ next: 'finish', reason: '' }))];
    expect(decide(asked, finished)).toMatchObject({ type: 'finish', output: { inline: 'good' } });
  });

  test('has a way on where its router names nothing or fails, if the plan says one', () => {
    const lost = [visit(0, done('text')), visit(2, done({ next: 'sleep' }))];
    expect(decide(asked, lost)).toMatchObject({
      type: 'fail',
      failure: { code: 'STEP_UNDECIDED', message: expect.stringContaining('"sleep", which is no option') },
    });
    const sure: AdaptiveStep = { ...asked, router: { by: 'model', otherwise: 'check' } };
    expect(childrenOf(sure)[2]).toMatchObject({ agent: 'router', onFailure: 'skip' });
    expect(decide(sure, lost)).toMatchObject({ children: [1] });
    expect(decide(sure, [visit(0, done('text')), visit(2, skipped)])).toMatchObject({
      children: [1],
      decided: [{ reason: 'the router failed' }],
    });
  });

  test('lets an option hand off to the next, and asks the router where it does not', () => {
    const handing: AdaptiveStep = { ...asked, handOff: '/to' };
    expect(decide(handing, [visit(0, done({ to: 'check' }))])).toMatchObject({
      children: [1],
      decided: [{ kind: 'hand-off', chosen: 'check', reason: '"draft" handed off at /to' }],
    });
    for (const to of ['nobody', null, 1, 'fail'])
      expect(decide(handing, [visit(0, done({ to }))])).toEqual({ type: 'start', children: [2] });
  });

  test('knows of an output in a blob what its facts say', () => {
    const output = { ref: { blob: 'f', bytes: 9_999, mediaType: 'application/json' } };
    const visits = [visit(0, { type: 'done', output })];
    expect(decide(ruled, visits, { ...world, facts: { f: { '/good': true } } }).type).toBe('finish');
    expect(decide(ruled, visits, world)).toMatchObject({ children: [1] });
  });

  test('fails with its option', () => {
    expect(decide(ruled, [visit(0, failed)])).toMatchObject({ failure: { code: 'AGENT_FAILED' } });
  });

  test('gives every visit its own address, which says where in the plan it is', () => {
    const visits = [visit(0), visit(2), visit(0), visit(2), visit(1), visit(0)];
    const addresses = visits.map((_, index) => visitAddress({ step: asked, address: '4' }, visits, index));
    expect(addresses).toEqual(['4.1', '4.router', '4.1#2', '4.router#2', '4.2', '4.1#3']);
    expect(addresses.map(planAddress)).toEqual(['4.1', '4.router', '4.1', '4.router', '4.2', '4.1']);
    expect(planAddress(childAddress('0~2', 0, 3))).toBe('1');
  });
});

test('a step leaves its output by its name, and what its children left', () => {
  const child: StepOutcome = { ...done(1), leaves: { a: { inline: 1 } } } as StepOutcome;
  const step: Step = { type: 'sequence', id: 'both', steps: [agent('a'), agent('b')] };
  expect(leavesOf(step, { inline: 2 }, [visit(0, child), visit(1, skipped)])).toEqual({
    a: { inline: 1 },
    both: { inline: 2 },
  });
  expect(leavesOf({ type: 'wait', for: 'timer', durationMs: 1 }, undefined)).toEqual({});
});
