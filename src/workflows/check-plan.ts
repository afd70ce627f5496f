import type { ContextRules } from '../protocol/context';
import { LIMITS } from '../protocol/limits';
import type {
  AdaptiveOption,
  AdaptiveStep,
  AgentStep,
  ApprovalStep,
  LoopStep,
  MapStep,
  ParallelStep,
  RunStep,
  SequenceStep,
  Step,
  StoredPlan,
  WaitStep,
} from '../protocol/plan';
import type { Router } from '../protocol/plan/decisions';
import type { RetryPolicy, StepOptions, WorkOptions } from '../protocol/plan/step-options';
import type { Predicate } from '../protocol/predicate';
import { agentsOf } from '../core/addresses';
import {
  agentName,
  anything,
  type Check,
  type Checks,
  isObject,
  listOf,
  mapOf,
  matching,
  objectOf,
  oneOf,
  optional,
  text,
  whole,
} from './check';

/** Of an object whose kind stands in one of its fields: the check of its kind. */
const byKind =
  (field: string, checks: Readonly<Record<string, Check>>): Check =>
  (value, place) => {
    const kind = isObject(value) ? value[field] : undefined;
    const check = typeof kind === 'string' && Object.hasOwn(checks, kind) ? checks[kind] : undefined;
    return check === undefined
      ? `${place}.${field} must be one of ${Object.keys(checks).join(', ')}`
      : check(value, place);
  };

const stepId = matching(/^[a-z][a-z0-9-]{0,63}$/, 'lower-case letters, digits and dashes');
const pointer = matching(/^(?:\/(?:[^~/]|~[01])*)*$/, 'a JSON pointer');
const onLimit = optional(oneOf('fail', 'finish'));

const scalar: Check = (value, place) =>
  value === null || ['string', 'number', 'boolean'].includes(typeof value)
    ? undefined
    : `${place} must be a text, a number, true, false or null`;

/** The predicates of these operators; several that share a form go together. */
type Of<Op> = Extract<Predicate, { op: Op }>;

function predicateAt(depth: number): Check {
  const compared = objectOf<Of<'eq' | 'ne'>>({ op: text, pointer, value: scalar });
  const joined: Check = (value, place) =>
    objectOf<Of<'and' | 'or'>>({
      op: text,
      of: listOf(predicateAt(depth + 1), { min: 1, max: LIMITS.predicateParts }),
    })(value, place);
  const check = byKind('op', {
    eq: compared,
    ne: compared,
    gt: compared,
    gte: compared,
    lt: compared,
    lte: compared,
    in: objectOf<Of<'in'>>({
      op: text,
      pointer,
      values: listOf(scalar, { min: 1, max: LIMITS.constantsPerPredicate }),
    }),
    exists: objectOf<Of<'exists'>>({ op: text, pointer }),
    prefix: objectOf<Of<'prefix'>>({ op: text, pointer, value: text }),
    and: joined,
    or: joined,
    not: (value, place) => objectOf<Of<'not'>>({ op: text, of: predicateAt(depth + 1) })(value, place),
  });
  return (value, place) =>
    depth > LIMITS.predicateDepth
      ? `${place} is nested deeper than ${LIMITS.predicateDepth} predicates`
      : check(value, place);
}

export const predicate = predicateAt(1);

const onFailure: Check = (rule, place) => {
  if (rule === 'fail' || rule === 'skip') return undefined;
  const fallback = isObject(rule) ? rule['fallback'] : undefined;
  if (isObject(fallback) && 'value' in fallback) return undefined;
  if (isObject(fallback)) return agentName(fallback['agent'], `${place}.fallback.agent`);
  return `${place} must be fail, skip or a fallback`;
};

const aggregate: Check = (rule, place) => {
  if (rule === 'merge' || rule === 'concat') return undefined;
  if (isObject(rule) && 'vote' in rule) return pointer(rule['vote'], `${place}.vote`);
  if (isObject(rule) && 'best' in rule) return pointer(rule['best'], `${place}.best`);
  if (isObject(rule)) return agentName(rule['agent'], `${place}.agent`);
  return `${place} must be merge, concat, vote, best or an agent`;
};

const quorum: Check = (rule, place) => {
  if (rule === 'majority' || rule === 'all') return undefined;
  if (isObject(rule)) return whole(1, LIMITS.agentsPerRun)(rule['first'], `${place}.first`);
  return `${place} must be majority, all or a number of branches`;
};

type Routing<By> = Extract<Router, { by: By }>;

const router = byKind('by', {
  rules: objectOf<Routing<'rules'>>({
    by: text,
    rules: listOf(objectOf<Routing<'rules'>['rules'][number]>({ when: predicate, next: stepId }), {
      min: 0,
      max: LIMITS.rulesPerRouter,
    }),
    otherwise: optional(stepId),
  }),
  agent: objectOf<Routing<'agent'>>({
    by: text,
    agent: agentName,
    input: optional(objectOf({})),
    otherwise: optional(stepId),
  }),
  model: objectOf<Routing<'model'>>({
    by: text,
    instructions: optional(text),
    otherwise: optional(stepId),
  }),
});

const options: Checks<StepOptions> = {
  id: optional(stepId),
  when: optional(predicate),
  onFailure: optional(onFailure),
  context: optional(mapOf(objectOf<ContextRules[string]>({ merge: text }))),
};

const work: Checks<WorkOptions> = {
  ...options,
  timeoutMs: optional(whole(1, LIMITS.timeoutMs)),
  retry: optional(
    objectOf<RetryPolicy>({
      maxAttempts: optional(whole(1, 20)),
      initialIntervalMs: optional(whole(1, 600_000)),
      maxIntervalMs: optional(whole(1, 600_000)),
    }),
  ),
};

const maxConcurrency = optional(whole(1, LIMITS.agentsPerRun));
const deadline = whole(1, LIMITS.waitMs);

type Waiting<For> = Extract<WaitStep, { for: For }>;

const wait = byKind('for', {
  timer: objectOf<Waiting<'timer'>>({ type: text, for: text, durationMs: deadline, ...options }),
  message: objectOf<Waiting<'message'>>({
    type: text,
    for: text,
    from: optional(agentName),
    messageType: optional(text),
    where: optional(predicate),
    timeoutMs: deadline,
    ...options,
  }),
  context: objectOf<Waiting<'context'>>({
    type: text,
    for: text,
    key: text,
    where: optional(predicate),
    timeoutMs: deadline,
    ...options,
  }),
});

/** The check of each type of step, by how deep it stands. */
const STEPS: Readonly<Record<Step['type'], (depth: number) => Check>> = {
  agent: () => objectOf<AgentStep>({ type: text, agent: agentName, input: anything, ...work }),
  sequence: (depth) => objectOf<SequenceStep>({ type: text, steps: stepsAt(depth), ...work }),
  parallel: (depth) =>
    objectOf<ParallelStep>({
      type: text,
      steps: stepsAt(depth),
      aggregate: optional(aggregate),
      maxConcurrency,
      quorum: optional(quorum),
      ...work,
    }),
  adaptive: (depth) =>
    objectOf<AdaptiveStep>({
      type: text,
      options: listOf(
        objectOf<AdaptiveOption>({ id: stepId, description: optional(text), step: stepAt(depth + 1) }),
        { min: 1, max: LIMITS.optionsPerStep },
      ),
      router,
      first: optional(stepId),
      handOff: optional(pointer),
      maxSteps: optional(whole(1, LIMITS.adaptiveSteps)),
      onLimit,
      ...work,
    }),
  loop: (depth) =>
    objectOf<LoopStep>({
      type: text,
      step: stepAt(depth + 1),
      until: optional(predicate),
      maxIterations: whole(1, LIMITS.loopIterations),
      onLimit,
      ...work,
    }),
  map: (depth) =>
    objectOf<MapStep>({
      type: text,
      over: pointer,
      step: stepAt(depth + 1),
      maxItems: optional(whole(1, LIMITS.mapItems)),
      maxConcurrency,
      ...work,
    }),
  run: (depth) =>
    objectOf<RunStep>({
      type: text,
      plan: optional(stepAt(depth + 1)),
      stored: optional(
        objectOf<StoredPlan>({ name: stepId, version: optional(whole(1, Number.MAX_SAFE_INTEGER)) }),
      ),
      task: optional(text),
      input: optional(objectOf({})),
      ...work,
    }),
  approval: () =>
    objectOf<ApprovalStep>({
      type: text,
      prompt: text,
      approvers: optional(listOf(text, { min: 1, max: 50 })),
      timeoutMs: deadline,
      ...options,
    }),
  wait: () => wait,
};

function stepsAt(depth: number): Check {
  return listOf(stepAt(depth + 1), { min: 1, max: LIMITS.agentsPerRun });
}

function stepAt(depth: number): Check {
  return (step, place) => {
    if (depth > LIMITS.planDepth) return `${place} is nested deeper than ${LIMITS.planDepth} steps`;
    const type = isObject(step) ? step['type'] : undefined;
    if (!isStepType(type)) return `${place}.type must be one of ${Object.keys(STEPS).join(', ')}`;
    return STEPS[type](depth)(step, place);
  };
}

function isStepType(type: unknown): type is Step['type'] {
  return typeof type === 'string' && Object.hasOwn(STEPS, type);
}

/** What strategies and commands would stumble over in a plan. Every agent may run at once, and the server refuses too many. */
export const checkPlan: Check = (step, place) => {
  const problem = stepAt(1)(step, place);
  if (problem !== undefined) return problem;
  const count = agentsOf(step as Step).length;
  return count > LIMITS.agentsPerRun
    ? `${place} names ${count} agents; the limit is ${LIMITS.agentsPerRun}`
    : undefined;
};
