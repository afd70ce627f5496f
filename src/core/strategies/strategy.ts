import type { Failure } from '../../protocol/failures';
import type { Value } from '../../protocol/json';
import type { CompositeStep, Step } from '../../protocol/plan';

/** How a step ended, after its own `onFailure` was applied. */
export type StepOutcome =
  | { readonly type: 'done'; readonly output: Value }
  | { readonly type: 'skipped' }
  | { readonly type: 'failed'; readonly failure: Failure };

/** One start of a child; `outcome` is absent while it runs. A looping strategy visits a child more than once. */
export interface Visit {
  readonly child: number;
  readonly outcome?: StepOutcome;
}

/** What a strategy decides on: the step, its children, and what has happened so far, in the order of starts. */
export interface StrategyView<S extends CompositeStep = CompositeStep> {
  readonly step: S;
  readonly children: readonly Step[];
  readonly visits: readonly Visit[];
}

/** What happens next. `start` is asked again as soon as anything settles; `wait` says that only that can help. */
export type Decision =
  | { readonly type: 'start'; readonly children: readonly number[] }
  | { readonly type: 'wait' }
  | { readonly type: 'finish'; readonly output: Value }
  | { readonly type: 'fail'; readonly failure: Failure };

/** A pure function from what has happened to what happens next: no clock, no I/O, no randomness. */
export type Strategy<S extends CompositeStep = CompositeStep> = (view: StrategyView<S>) => Decision;

/** The first failure among the visits, if any: a failed child always fails its step, tolerated ones are `skipped`. */
export function firstFailure(visits: readonly Visit[]): Failure | undefined {
  for (const { outcome } of visits) if (outcome?.type === 'failed') return outcome.failure;
  return undefined;
}
