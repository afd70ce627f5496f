import { z } from 'zod';
import { AgentName } from './agent';
import { Json } from './json';
import { LIMITS } from './limits';

/** Temporal's exponential backoff, for one step: 2 s, 4 s, 8 s, then given up, unless the step says otherwise. */
export const RetryPolicy = z.strictObject({
  maxAttempts: z.int().min(1).max(20).optional(),
  initialIntervalMs: z.int().min(1).max(600_000).optional(),
  maxIntervalMs: z.int().min(1).max(600_000).optional(),
});
export type RetryPolicy = z.infer<typeof RetryPolicy>;

/** What a final failure of a step means to what surrounds it. Default: fail in a sequence, skip in a parallel step. */
export const OnFailure = z.union([
  z.literal('fail'),
  z.literal('skip'),
  z.strictObject({
    fallback: z.union([z.strictObject({ agent: AgentName }), z.strictObject({ value: Json })]),
  }),
]);
export type OnFailure = z.infer<typeof OnFailure>;

const stepOptions = {
  onFailure: OnFailure.optional(),
};

export const AgentStep = z.strictObject({
  type: z.literal('agent'),
  agent: AgentName,
  /** Given to the agent as `input.options`; validated against its manifest's input schema. */
  input: Json.optional(),
  timeoutMs: z.int().min(1).max(86_400_000).optional(),
  retry: RetryPolicy.optional(),
  ...stepOptions,
});
export type AgentStep = z.infer<typeof AgentStep>;

/** How the outputs of parallel branches become one: keyed by branch, listed, or made by an agent that sees them all. */
export const Aggregator = z.union([
  z.literal('merge'),
  z.literal('concat'),
  z.strictObject({ agent: AgentName, input: Json.optional() }),
]);
export type Aggregator = z.infer<typeof Aggregator>;

export interface SequenceStep {
  readonly type: 'sequence';
  readonly steps: readonly Step[];
  readonly onFailure?: OnFailure | undefined;
}
export interface ParallelStep {
  readonly type: 'parallel';
  readonly steps: readonly Step[];
  /** Default: merge. */
  readonly aggregate?: Aggregator | undefined;
  readonly maxConcurrency?: number | undefined;
  readonly onFailure?: OnFailure | undefined;
}
export type Step = AgentStep | SequenceStep | ParallelStep;
export type CompositeStep = Exclude<Step, AgentStep>;

export const Step: z.ZodType<Step, Step> = z.lazy(() =>
  z.discriminatedUnion('type', [AgentStep, SequenceStep, ParallelStep]),
) as z.ZodType<Step, Step>;

const steps = z.array(Step).min(1, 'must hold at least one step').max(LIMITS.agentsPerRun);
export const SequenceStep = z.strictObject({ type: z.literal('sequence'), steps, ...stepOptions });
export const ParallelStep = z.strictObject({
  type: z.literal('parallel'),
  steps,
  aggregate: Aggregator.optional(),
  maxConcurrency: z.int().min(1).max(LIMITS.agentsPerRun).optional(),
  ...stepOptions,
});

/** The strategies a shorthand can name. `adaptive` is reserved here and arrives with its router. */
export const STRATEGIES = ['sequential', 'parallel'] as const;
export type StrategyName = (typeof STRATEGIES)[number];

/** `{strategy, agents}`: the short way to say a flat plan. */
export const PlanShorthand = z.strictObject({
  strategy: z.enum(STRATEGIES),
  agents: z.array(AgentName).min(1, 'must name at least one agent').max(LIMITS.agentsPerRun),
  aggregate: Aggregator.optional(),
});
export type PlanShorthand = z.infer<typeof PlanShorthand>;
