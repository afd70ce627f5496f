import type { Failure } from '../../protocol/failures';
import type { Value } from '../../protocol/json';
import type { CompositeStep, Step } from '../../protocol/plan';
import type { World } from '../scope';

/** How a step ended, after its own condition, retries and `onFailure` were applied. */
export type StepOutcome =
  | {
      readonly type: 'done';
      /** Absent where the step leaves none, as a timer does. */
      readonly output?: Value;
      /** What later steps find under `/outputs`, as `leavesOf` tells. */
      readonly leaves?: { readonly [name: string]: Value };
    }
  /** It failed, and that is tolerated. */
  | { readonly type: 'skipped' }
  /** Its condition did not hold. */
  | { readonly type: 'left-out' }
  /** Its strategy had it cancelled; that counts whatever came of it meanwhile. */
  | { readonly type: 'cancelled' }
  | { readonly type: 'failed'; readonly failure: Failure };

/** One start of a child; `outcome` is absent while it runs. A looping strategy visits a child more than once. */
export interface Visit {
  readonly child: number;
  readonly outcome?: StepOutcome;
}

/** What a strategy decides on: the step, its children, what has happened so far in the order of starts, and what can be seen. */
export interface StrategyView<S extends CompositeStep = CompositeStep> {
  readonly step: S;
  readonly children: readonly Step[];
  readonly visits: readonly Visit[];
  /** As the step itself was started with; what its visits add is the strategy's to know. */
  readonly world: World;
}

export const DECISION_KINDS = [
  'condition',
  'route',
  'hand-off',
  'loop',
  'quorum',
  'vote',
  'best',
  'limit',
] as const;

/** A choice among several ways on, for the event `step.decided`. It is recorded when it is made and never made again. */
export interface Decided {
  readonly kind: (typeof DECISION_KINDS)[number];
  readonly chosen: string;
  readonly reason: string;
  readonly alternatives: readonly string[];
}

interface Recorded {
  readonly decided?: readonly Decided[];
}

/**
 * What happens next. `start` and `cancel` are asked again at once: `cancel` names visits by index, and each of them
 * ends as `cancelled`. `wait` says that only a child that settles can help. What still runs at `finish` or `fail` is cancelled.
 */
export type Decision =
  | ({ readonly type: 'start'; readonly children: readonly number[] } & Recorded)
  | ({ readonly type: 'cancel'; readonly visits: readonly number[] } & Recorded)
  | { readonly type: 'wait' }
  | ({ readonly type: 'finish'; readonly output: Value } & Recorded)
  | ({ readonly type: 'fail'; readonly failure: Failure } & Recorded);

/** A pure function from what has happened to what happens next: no clock, no I/O, no randomness. */
export type Strategy<S extends CompositeStep = CompositeStep> = (view: StrategyView<S>) => Decision;

/** The first failure among the visits, if any: a failed child always fails its step, tolerated ones are `skipped`. */
export function firstFailure(visits: readonly Visit[]): Failure | undefined {
  for (const { outcome } of visits) if (outcome?.type === 'failed') return outcome.failure;
  return undefined;
}

export function isRunning({ outcome }: Visit): boolean {
  return outcome === undefined;
}

/** The output of a visit that is done and has one. */
export function outputOf({ outcome }: Visit): Value | undefined {
  return outcome?.type === 'done' ? outcome.output : undefined;
}

/** The last output of the visits, in the order of their starts. */
export function lastOutput(visits: readonly Visit[]): Value | undefined {
  return visits.map(outputOf).findLast((output) => output !== undefined);
}
