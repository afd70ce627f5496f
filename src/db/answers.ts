import { z } from 'zod';
import type { AgentResult, AgentVersion, Degradation, Usage } from '../protocol/agent';
import type { ContextWrite } from '../protocol/context';
import { AppError, type Failure, isFailureCode } from '../protocol/failures';
import { Json, Value } from '../protocol/json';
import { type AgentRest, type Resumption, WOKEN_BY } from '../protocol/rest';
import { AGENT_RUN_STATUSES, RUN_STATUSES, type RunBounds } from '../protocol/run';

// A newer version may have written codes that this one does not know; the message still tells.
const code = z.string().transform((value) => (isFailureCode(value) ? value : 'INTERNAL'));

export const StoredFailure: z.ZodType<Failure> = z.object({ code, message: z.string() });

export const StoredUsage: z.ZodType<Usage> = z.object({
  modelCalls: z.number(),
  inputTokens: z.number().nullable(),
  outputTokens: z.number().nullable(),
  // Rows of an older version lack these.
  cachedInputTokens: z.number().nullable().default(null),
  reasoningTokens: z.number().nullable().default(null),
  costMicros: z.number().nullable().default(null),
});

export const StoredWrite: z.ZodType<ContextWrite> = z.union([
  z.object({ op: z.enum(['set', 'merge', 'append']), key: z.string(), value: Value }),
  z.object({ op: z.literal('delete'), key: z.string() }),
]);

export const StoredAgentResult: z.ZodType<AgentResult> = z.object({
  agentRunId: z.string(),
  output: Value,
  effects: z.object({ context: z.array(StoredWrite), private: z.array(StoredWrite).optional() }),
  usage: StoredUsage,
  facts: z.record(z.string(), z.record(z.string(), Json)).optional(),
});

const WaitKey = z.object({ key: z.string(), correlationId: z.string().optional() });

const StoredResumption: z.ZodType<Resumption> = z.object({
  checkpoint: Value,
  untilMs: z.number(),
  written: z.number(),
  wait: WaitKey,
});

const StoredAgentRest: z.ZodType<AgentRest> = z.object({
  agentRunId: z.string(),
  effects: z.object({ context: z.array(StoredWrite), private: z.array(StoredWrite).optional() }),
  facts: z.record(z.string(), z.record(z.string(), Json)).optional(),
  asleep: z.object({
    turn: z.number(),
    untilMs: z.number(),
    // Checked before it was stored.
    waitsFor: z.custom<AgentRest['asleep']['waitsFor']>(),
    wokenBy: z.enum(WOKEN_BY),
    written: z.number(),
  }),
});

export const StoredAgents: z.ZodType<readonly AgentVersion[]> = z.array(
  z.object({
    name: z.string(),
    version: z.string(),
    agentType: z.string(),
    capabilities: z.array(z.string()),
    timeoutMs: z.number(),
    defined: z.number().optional(),
  }),
);

export const StoredBounds: z.ZodType<RunBounds> = z.object({ executions: z.number(), depth: z.number() });

export const StoredDegraded: z.ZodType<readonly Degradation[]> = z.array(
  z.object({
    address: z.string(),
    agent: z.string(),
    code,
    message: z.string(),
    instead: z.enum(['failed', 'skipped', 'fallback']),
  }),
);

const runUnknown = z.object({ outcome: z.literal('run-unknown') });
const runFinal = z.object({ outcome: z.literal('run-final'), status: z.enum(RUN_STATUSES) });
const fenced = z.object({ outcome: z.literal('fenced') });

/** An agent run that is over: what it brought, or why it brought nothing. */
const closedRow = {
  agentRunId: z.string(),
  attempt: z.number(),
  status: z.enum(AGENT_RUN_STATUSES).exclude(['running']),
  result: StoredAgentResult.nullable(),
  failure: StoredFailure.nullable(),
};

/** An agent run whose turn is over: what that brought. */
const asleep = z.object({ outcome: z.literal('asleep'), rest: StoredAgentRest });

export const CreateAnswer = z.discriminatedUnion('outcome', [
  z.object({ outcome: z.enum(['created', 'existing']), runId: z.string(), status: z.enum(RUN_STATUSES) }),
  z.object({ outcome: z.literal('conflict'), runId: z.string() }),
  z.object({ outcome: z.literal('project-unknown') }),
  z.object({ outcome: z.literal('parent-final') }),
]);

export const AppendAnswer = z.discriminatedUnion('outcome', [
  z.object({ outcome: z.literal('appended'), count: z.number() }),
  runFinal,
  runUnknown,
]);

export const FinishAnswer = z.discriminatedUnion('outcome', [
  z.object({ outcome: z.enum(['finished', 'already']), status: z.enum(RUN_STATUSES) }),
  runUnknown,
]);

export const FinishSilentAnswer = z.union([z.object({ outcome: z.literal('bus-open') }), FinishAnswer]);

export const OpenAnswer = z.discriminatedUnion('outcome', [
  z.object({
    outcome: z.literal('open'),
    agentRunId: z.string(),
    attempt: z.number(),
    resumption: StoredResumption.optional(),
  }),
  asleep,
  z.object({ outcome: z.literal('closed'), ...closedRow }),
  fenced,
  runFinal,
  runUnknown,
]);

export const CloseAnswer = z.discriminatedUnion('outcome', [
  z.object({
    outcome: z.literal('closed'),
    usage: StoredUsage,
    runEnded: z.literal(true).optional(),
    openedNext: z.literal(true).optional(),
  }),
  z.object({ outcome: z.literal('already'), ...closedRow }),
  fenced,
]);

export const LayDownAnswer = z.discriminatedUnion('outcome', [
  asleep,
  z.object({ outcome: z.literal('already'), ...closedRow }),
  fenced,
]);

export const FailAttemptAnswer = z.object({ outcome: z.enum(['recorded', 'already', 'fenced']) });

export const SettleAnswer = z.discriminatedUnion('outcome', [
  z.object({ outcome: z.literal('settled'), agentRunId: z.string(), attempt: z.number() }),
  z.object({ outcome: z.literal('unfinished'), attempts: z.number() }),
  z.object({ outcome: z.literal('adopted'), ...closedRow, result: StoredAgentResult }),
  z.object({ outcome: z.literal('already'), ...closedRow }),
  runFinal,
  runUnknown,
]);

/** Parses what the database answered; anything else than expected is a fault of ours. */
export function parseStored<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new AppError(
    'INTERNAL',
    `PostgreSQL holds a value of another shape at "${issue?.path.join('.')}": ${issue?.message}`,
  );
}

/** The answer, or RUN_UNKNOWN where the tenant has no such run. */
export function knownRun<T extends { readonly outcome: string }>(
  answer: T,
  runId: string,
): Exclude<T, { readonly outcome: 'run-unknown' }> {
  if (answer.outcome === 'run-unknown') throw new AppError('RUN_UNKNOWN', `There is no run ${runId}`);
  return answer as Exclude<T, { readonly outcome: 'run-unknown' }>;
}
