import type { Degradation } from '../protocol/agent';
import type { CompositeStep, Step } from '../protocol/plan';
import type { OnFailure } from '../protocol/plan/step-options';

/** What a final failure of `step` means: what the step says, else fail, but skip for a branch of a parallel step. */
export function onFailureOf(step: Step, parent: CompositeStep | undefined): OnFailure {
  return step.onFailure ?? (parent?.type === 'parallel' ? 'skip' : 'fail');
}

/** What follows a step's final failure, and what the run's result says of it. */
export interface Consequence {
  readonly rule: OnFailure;
  /** Absent where the failure only passes through: further in, it has been reported. */
  readonly report?: Degradation['instead'];
}

/** `own`: it began in this step, so an agent failed or a strategy gave up, rather than a child of the step. */
export function consequenceOf(
  step: Step,
  parent: CompositeStep | undefined,
  { own }: { readonly own: boolean },
): Consequence {
  const rule = onFailureOf(step, parent);
  if (rule === 'skip') return { rule, report: 'skipped' };
  if (rule !== 'fail') return { rule, report: 'fallback' };
  return own ? { rule, report: 'failed' } : { rule };
}
