import { z } from 'zod';
import { AgentName } from '../agent';
import { Json, JsonObject } from '../json';
import { LIMITS } from '../limits';
import { Pointer, Predicate } from '../predicate';
import { StepId } from './step-options';

/**
 * How the outputs of parallel branches become one: keyed by branch, listed, made by an agent that sees them all, or
 * chosen: that of the first branch which says what most say at a pointer, or the one with the highest number there.
 */
export const Aggregator = z.union(
  [
    z.literal('merge'),
    z.literal('concat'),
    z.strictObject({ agent: AgentName, input: Json.optional() }),
    z.strictObject({ vote: Pointer }),
    z.strictObject({ best: Pointer }),
  ],
  { error: 'must be merge, concat, {agent}, {vote: pointer} or {best: pointer}' },
);
export type Aggregator = z.infer<typeof Aggregator>;

/** How many branches must succeed; the others are cancelled then. Without one, all are awaited and one is enough. */
export const Quorum = z.union(
  [
    z.literal('majority'),
    z.literal('all'),
    z.strictObject({ first: z.int().min(1).max(LIMITS.agentsPerRun) }),
  ],
  { error: 'must be majority, all or {first: number}' },
);
export type Quorum = z.infer<typeof Quorum>;

/** What happens at a step's limit: it fails with STEP_LIMIT (the default), or ends with what it has. */
export const OnLimit = z.enum(['fail', 'finish']);
export type OnLimit = z.infer<typeof OnLimit>;

/** An option's id, or one of the two words that end the step. */
const Next = StepId;

const otherwise = {
  /** Where no rule holds, or the router fails or names no option. Default: finish for rules, else fail. */
  otherwise: Next.optional(),
};

/** Who chooses the next option of an adaptive step. Agents and models answer `{next, reason}`. */
export const Router = z.discriminatedUnion(
  'by',
  [
    z.strictObject({
      by: z.literal('rules'),
      /** The first that holds counts. */
      rules: z.array(z.strictObject({ when: Predicate, next: Next })).max(LIMITS.rulesPerRouter),
      ...otherwise,
    }),
    z.strictObject({ by: z.literal('agent'), agent: AgentName, input: JsonObject.optional(), ...otherwise }),
    z.strictObject({
      by: z.literal('model'),
      instructions: z.string().min(1).max(LIMITS.instructionChars).optional(),
      ...otherwise,
    }),
  ],
  { error: 'by must be one of rules, agent, model' },
);
export type Router = z.infer<typeof Router>;
