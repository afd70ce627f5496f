import type { Value } from '../../protocol/json';
import type { ParallelStep } from '../../protocol/plan';
import { branchKeys } from './branch-keys';
import { best, vote } from './choose';
import {
  type Decided,
  type Decision,
  firstFailure,
  isRunning,
  outputOf,
  type Strategy,
  type StrategyView,
  type Visit,
} from './strategy';

type View = StrategyView<ParallelStep>;

/** How the branches stand. */
interface Tally {
  readonly done: number;
  readonly running: number;
  readonly unstarted: number;
  /** Of those whose condition held, as far as that is known. */
  readonly participants: number;
  /** How many must be done; undefined without a quorum. */
  readonly needed: number | undefined;
}

/** All at once, at most `maxConcurrency` at a time, until the quorum is reached; then the outputs become one. */
export const parallel: Strategy<ParallelStep> = (view) => {
  const { step, visits } = view;
  const failure = firstFailure(visits);
  if (failure !== undefined) return { type: 'fail', failure };
  const tally = tallyOf(view);
  const { done, running, unstarted, participants, needed } = tally;
  if (visits.length > step.steps.length || visits.some(isAggregation(step))) return aggregate(view);
  if (participants > 0 && needed !== undefined) {
    if (done >= needed) return reached(view, tally);
    if (done + running + unstarted < needed) return missed(tally, needed);
  }
  const free = (step.maxConcurrency ?? step.steps.length) - running;
  const count = Math.min(free, unstarted);
  if (count > 0)
    return { type: 'start', children: Array.from({ length: count }, (_, i) => visits.length + i) };
  if (running > 0) return { type: 'wait' };
  return done === 0 && participants > 0 ? nothingCame(participants) : aggregate(view);
};

function isAggregation(step: ParallelStep) {
  return ({ child }: Visit): boolean => child >= step.steps.length;
}

function tallyOf({ step, visits }: View): Tally {
  const branches = visits.filter(({ child }) => child < step.steps.length);
  const count = (type: string): number => branches.filter(({ outcome }) => outcome?.type === type).length;
  const participants = step.steps.length - count('left-out');
  return {
    done: count('done'),
    running: branches.filter(isRunning).length,
    unstarted: step.steps.length - branches.length,
    participants,
    needed: neededOf(step, participants),
  };
}

function neededOf({ quorum }: ParallelStep, participants: number): number | undefined {
  if (quorum === undefined) return undefined;
  if (quorum === 'all') return participants;
  return quorum === 'majority' ? Math.floor(participants / 2) + 1 : quorum.first;
}

/** Nothing more is started, what runs is cancelled, and what is done becomes the output. */
function reached(view: View, { done, running, unstarted, participants, needed }: Tally): Decision {
  if (view.visits.some(({ outcome }) => outcome?.type === 'cancelled') || running + unstarted === 0)
    return aggregate(view);
  const decided: Decided = {
    kind: 'quorum',
    chosen: 'enough',
    reason: `${done} of ${participants} branches are done, ${needed} were needed`,
    alternatives: ['await the others'],
  };
  const indexes = view.visits.flatMap((visit, index) => (isRunning(visit) ? [index] : []));
  if (running > 0) return { type: 'cancel', visits: indexes, decided: [decided] };
  const next = aggregate(view);
  return next.type === 'wait' ? next : { ...next, decided: [decided, ...(next.decided ?? [])] };
}

function missed({ done, participants }: Tally, needed: number): Decision {
  const message = `${needed} of ${participants} parallel branches had to succeed and no more than ${done} can; see the degraded agents for each reason`;
  return { type: 'fail', failure: { code: 'QUORUM_MISSED', message } };
}

function nothingCame(participants: number): Decision {
  const message = `All ${participants} parallel branches failed; see the degraded agents for each reason`;
  return { type: 'fail', failure: { code: 'AGENT_FAILED', message } };
}

function aggregate(view: View): Decision {
  const { step, visits } = view;
  const branches = visits
    .filter((visit) => visit.child < step.steps.length && outputOf(visit) !== undefined)
    .toSorted((a, b) => a.child - b.child);
  const { aggregate: how = 'merge' } = step;
  if (how === 'concat') return { type: 'finish', output: { list: branches.flatMap(valueOf) } };
  if (how === 'merge')
    return { type: 'finish', output: { record: byBranch(branchKeys(step.steps), branches) } };
  if ('vote' in how) return vote(view, branches, how.vote);
  if ('best' in how) return best(view, branches, how.best);
  return asked(view, branches);
}

/** The aggregating agent sees every branch; where there is nothing to see it is not asked. */
function asked({ children, visits }: View, branches: readonly Visit[]): Decision {
  const aggregator = visits.find(({ child }) => child === children.length - 1);
  if (aggregator !== undefined)
    return isRunning(aggregator)
      ? { type: 'wait' }
      : { type: 'finish', output: outputOf(aggregator) ?? { inline: null } };
  if (branches.length === 0) return { type: 'finish', output: { inline: null } };
  return { type: 'start', children: [children.length - 1] };
}

function valueOf(visit: Visit): Value[] {
  const output = outputOf(visit);
  return output === undefined ? [] : [output];
}

function byBranch(keys: readonly string[], branches: readonly Visit[]): Record<string, Value> {
  const entries = branches.flatMap((visit) =>
    valueOf(visit).map((output) => [keys[visit.child] ?? '', output] as const),
  );
  return Object.fromEntries(entries);
}
