import { z } from 'zod';
import { AgentName } from './agent';
import { ContextRules } from './context';
import { Json, JsonObject } from './json';
import { LIMITS } from './limits';
import { Aggregator, OnLimit, Quorum, Router } from './plan/decisions';
import { STEP_OPTIONS, StepId, WORK_OPTIONS, type WorkOptions } from './plan/step-options';
import { Pointer, Predicate } from './predicate';

export const AgentStep = z.strictObject({
  type: z.literal('agent'),
  agent: AgentName,
  /** Given to the agent as `input.options`; validated against its manifest's input schema. */
  input: Json.optional(),
  ...WORK_OPTIONS,
});
export type AgentStep = z.infer<typeof AgentStep>;

/** One after another; the last output that there is becomes the step's. */
export interface SequenceStep extends WorkOptions {
  readonly type: 'sequence';
  readonly steps: readonly Step[];
}

/** All at once; `aggregate` (default: merge) makes one output of theirs. */
export interface ParallelStep extends WorkOptions {
  readonly type: 'parallel';
  readonly steps: readonly Step[];
  readonly aggregate?: Aggregator | undefined;
  readonly maxConcurrency?: number | undefined;
  readonly quorum?: Quorum | undefined;
}

/** One thing an adaptive step may do next. The description is what a routing agent or model reads. */
export interface AdaptiveOption {
  readonly id: StepId;
  readonly description?: string | undefined;
  readonly step: Step;
}

/** One option after another, each chosen by what came before. */
export interface AdaptiveStep extends WorkOptions {
  readonly type: 'adaptive';
  readonly options: readonly AdaptiveOption[];
  readonly router: Router;
  /** The option to begin with; without one the router chooses that too. */
  readonly first?: StepId | undefined;
  /** Where an option's output names the next one; what names none is left to the router. */
  readonly handOff?: Pointer | undefined;
  /** Options run at most. Default: 10. */
  readonly maxSteps?: number | undefined;
  readonly onLimit?: OnLimit | undefined;
}

/** The same step again until a predicate holds; without one, exactly `maxIterations` times. */
export interface LoopStep extends WorkOptions {
  readonly type: 'loop';
  readonly step: Step;
  readonly until?: Predicate | undefined;
  readonly maxIterations: number;
  readonly onLimit?: OnLimit | undefined;
}

/** One step for every entry of a list; the outputs become a list in its order, null where an entry has none. */
export interface MapStep extends WorkOptions {
  readonly type: 'map';
  readonly over: Pointer;
  readonly step: Step;
  /** A longer list fails the step. Default: 100. */
  readonly maxItems?: number | undefined;
  readonly maxConcurrency?: number | undefined;
}

/** A run of its own, with its own story; it inherits what is left of this run's limits. */
export interface RunStep extends WorkOptions {
  readonly type: 'run';
  /** Either a plan, or the name of a stored one. */
  readonly plan?: Step | undefined;
  readonly stored?: StoredPlan | undefined;
  /** Default: this run's task and input. */
  readonly task?: string | undefined;
  readonly input?: JsonObject | undefined;
}

/** A stored plan; without a version, the newest when the run is accepted. */
export const StoredPlan = z.strictObject({
  name: StepId,
  version: z.int().min(1).max(LIMITS.versions).optional(),
});
export type StoredPlan = z.infer<typeof StoredPlan>;

/** In place of a plan: one that is stored. */
export const StoredPlanChoice = z.strictObject({ stored: StoredPlan });
export type StoredPlanChoice = z.infer<typeof StoredPlanChoice>;

const deadline = {
  timeoutMs: z
    .int(`must be whole milliseconds, at most ${LIMITS.waitMs}: nothing may wait for ever`)
    .min(1)
    .max(LIMITS.waitMs),
};

/** A person's word. A rejection, or none in time, fails the step with its reason. */
export const ApprovalStep = z.strictObject({
  type: z.literal('approval'),
  prompt: z.string().min(1).max(LIMITS.instructionChars),
  /** Who may decide; without it, whoever may operate the run. */
  approvers: z.array(z.string().min(1).max(200)).min(1).max(50).optional(),
  ...STEP_OPTIONS,
  ...deadline,
});
export type ApprovalStep = z.infer<typeof ApprovalStep>;

/** Nothing until a time has passed, a message has come, or a key of the context holds what is wanted. */
export const WaitStep = z.discriminatedUnion(
  'for',
  [
    z.strictObject({
      type: z.literal('wait'),
      for: z.literal('timer'),
      durationMs: z.int().min(1).max(LIMITS.waitMs),
      ...STEP_OPTIONS,
    }),
    z.strictObject({
      type: z.literal('wait'),
      for: z.literal('message'),
      from: AgentName.optional(),
      messageType: z.string().min(1).max(100).optional(),
      /** Over the message as a document: `/content/...`. */
      where: Predicate.optional(),
      ...STEP_OPTIONS,
      ...deadline,
    }),
    z.strictObject({
      type: z.literal('wait'),
      for: z.literal('context'),
      key: z.string().min(1).max(LIMITS.contextKeyChars),
      /** Over the key's value; without it, any value will do. */
      where: Predicate.optional(),
      ...STEP_OPTIONS,
      ...deadline,
    }),
  ],
  { error: 'for must be one of timer, message, context' },
);
export type WaitStep = z.infer<typeof WaitStep>;

/** What is carried out by a strategy over its children. */
export type CompositeStep = SequenceStep | ParallelStep | AdaptiveStep | LoopStep | MapStep;
export type Step = AgentStep | CompositeStep | RunStep | ApprovalStep | WaitStep;

export const STEP_TYPES = [
  'agent',
  'sequence',
  'parallel',
  'adaptive',
  'loop',
  'map',
  'run',
  'approval',
  'wait',
] as const satisfies readonly Step['type'][];

export const Step: z.ZodType<Step, Step> = z.lazy(() =>
  z.discriminatedUnion(
    'type',
    [AgentStep, SequenceStep, ParallelStep, AdaptiveStep, LoopStep, MapStep, RunStep, ApprovalStep, WaitStep],
    { error: `type must be one of ${STEP_TYPES.join(', ')}` },
  ),
) as z.ZodType<Step, Step>;

const steps = z.array(Step).min(1, 'must hold at least one step').max(LIMITS.agentsPerRun);
const maxConcurrency = z.int().min(1).max(LIMITS.agentsPerRun).optional();

const SequenceStep = z.strictObject({ type: z.literal('sequence'), steps, ...WORK_OPTIONS });
const ParallelStep = z.strictObject({
  type: z.literal('parallel'),
  steps,
  aggregate: Aggregator.optional(),
  maxConcurrency,
  quorum: Quorum.optional(),
  ...WORK_OPTIONS,
});
const AdaptiveOption = z.strictObject({
  id: StepId,
  description: z.string().min(1).max(LIMITS.descriptionChars).optional(),
  step: Step,
});
const AdaptiveStep = z.strictObject({
  type: z.literal('adaptive'),
  options: z.array(AdaptiveOption).min(1, 'must hold at least one option').max(LIMITS.optionsPerStep),
  router: Router,
  first: StepId.optional(),
  handOff: Pointer.optional(),
  maxSteps: z.int().min(1).max(LIMITS.adaptiveSteps).optional(),
  onLimit: OnLimit.optional(),
  ...WORK_OPTIONS,
});
const LoopStep = z.strictObject({
  type: z.literal('loop'),
  step: Step,
  until: Predicate.optional(),
  maxIterations: z
    .int(`must be a whole number from 1 to ${LIMITS.loopIterations}: every loop has its limit`)
    .min(1)
    .max(LIMITS.loopIterations),
  onLimit: OnLimit.optional(),
  ...WORK_OPTIONS,
});
const MapStep = z.strictObject({
  type: z.literal('map'),
  over: Pointer,
  step: Step,
  maxItems: z.int().min(1).max(LIMITS.mapItems).optional(),
  maxConcurrency,
  ...WORK_OPTIONS,
});
const RunStep = z
  .strictObject({
    type: z.literal('run'),
    plan: Step.optional(),
    stored: StoredPlan.optional(),
    task: z.string().trim().min(1).max(LIMITS.taskBytes).optional(),
    input: JsonObject.optional(),
    ...WORK_OPTIONS,
  })
  .refine(({ plan, stored }) => (plan === undefined) !== (stored === undefined), {
    error: 'must have either a plan or the name of a stored one',
  });

/** The strategies a shorthand can name. */
export const STRATEGIES = ['sequential', 'parallel', 'adaptive'] as const;
export type StrategyName = (typeof STRATEGIES)[number];

/** `{strategy, agents}`: the short way to say a flat plan. */
export const PlanShorthand = z.strictObject({
  strategy: z.enum(STRATEGIES),
  agents: z.array(AgentName).min(1, 'must name at least one agent').max(LIMITS.agentsPerRun),
  /** Of a parallel plan. */
  aggregate: Aggregator.optional(),
  quorum: Quorum.optional(),
  /** Of an adaptive plan. Default: a model chooses. */
  router: Router.optional(),
  maxSteps: z.int().min(1).max(LIMITS.adaptiveSteps).optional(),
  context: ContextRules.optional(),
});
export type PlanShorthand = z.infer<typeof PlanShorthand>;
