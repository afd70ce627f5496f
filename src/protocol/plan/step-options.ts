import { z } from 'zod';
import { AgentName } from '../agent';
import { ContextRules } from '../context';
import { Json } from '../json';
import { LIMITS } from '../limits';
import { Predicate } from '../predicate';

/** A step's own name, under which `/outputs/<id>` finds its output; an agent step without one goes by its agent's. */
export const StepId = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,63}$/, 'must be lower-case letters, digits and dashes, at most 64 characters');
export type StepId = z.infer<typeof StepId>;

/**
 * Exponential backoff: 2 s, 4 s, 8 s, then given up, unless the step says otherwise. An agent has four attempts by
 * default, any other step one: it is started again as a whole.
 */
export const RetryPolicy = z.strictObject({
  maxAttempts: z.int().min(1).max(20).optional(),
  initialIntervalMs: z.int().min(1).max(600_000).optional(),
  maxIntervalMs: z.int().min(1).max(600_000).optional(),
});
export type RetryPolicy = z.infer<typeof RetryPolicy>;

/** What a final failure of a step means to what surrounds it. Default: fail, but skip for a branch of a parallel step. */
export const OnFailure = z.union(
  [
    z.literal('fail'),
    z.literal('skip'),
    z.strictObject({
      fallback: z.union([z.strictObject({ agent: AgentName }), z.strictObject({ value: Json })]),
    }),
  ],
  { error: 'must be fail, skip, {fallback: {agent}} or {fallback: {value}}' },
);
export type OnFailure = z.infer<typeof OnFailure>;

/** What every step may carry. */
export const STEP_OPTIONS = {
  id: StepId.optional(),
  /** Asked once, when the step is due: where it does not hold, the step is left out. */
  when: Predicate.optional(),
  onFailure: OnFailure.optional(),
  /** Of a plan's outermost step: what holds for keys of the context that its run's agents share. */
  context: ContextRules.optional(),
};

/** What every step that does work may carry besides. `timeoutMs` limits one attempt. */
export const WORK_OPTIONS = {
  ...STEP_OPTIONS,
  timeoutMs: z.int().min(1).max(LIMITS.timeoutMs).optional(),
  retry: RetryPolicy.optional(),
};

export interface StepOptions {
  readonly id?: StepId | undefined;
  readonly when?: Predicate | undefined;
  readonly onFailure?: OnFailure | undefined;
  readonly context?: ContextRules | undefined;
}

export interface WorkOptions extends StepOptions {
  readonly timeoutMs?: number | undefined;
  readonly retry?: RetryPolicy | undefined;
}
