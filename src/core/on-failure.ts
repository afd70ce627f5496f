import type { CompositeStep, OnFailure, Step } from '../protocol/plan';

/** What a final failure of `step` means: what the step says, else fail, but skip for a branch of a parallel step. */
export function onFailureOf(step: Step, parent: CompositeStep | undefined): OnFailure {
  return step.onFailure ?? (parent?.type === 'parallel' ? 'skip' : 'fail');
}
