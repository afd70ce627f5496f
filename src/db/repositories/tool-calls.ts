import { and, asc, eq } from 'drizzle-orm';
import type { Pool } from 'pg';
import { uuidv7 } from 'uuidv7';
import type { z } from 'zod';
import type { Failure } from '../../protocol/failures';
import { Value } from '../../protocol/json';
import type { SideEffects, ToolCallStatus } from '../../protocol/tool-call';
import { knownRun, parseStored, StoredFailure } from '../answers';
import {
  BeginToolCallAnswer,
  DoubtToolCallAnswer,
  EndToolCallAnswer,
  ResolveToolCallAnswer,
} from '../answers-ledger';
import type { ToolCallRow } from '../rows';
import { toolCalls } from '../schema/ledger';
import { agentRuns } from '../schema/runs';
import { callFunction, callQuietly, withTenant } from '../tenant-door';
import type { AttemptKey } from './agent-runs';

/** A tool call that an attempt makes. */
export interface ToolCallIntent extends AttemptKey {
  /** SHA-256 in lower-case hex: the same call has the same key in every attempt. */
  readonly key: string;
  readonly step: string;
  readonly tool: string;
  readonly sideEffects: SideEffects;
  readonly arguments: Value;
}

/** What came of a call: exactly one of the two. */
export type ToolCallOutcome =
  | { readonly result: Value; readonly failure: null }
  | { readonly result: null; readonly failure: Failure };

export type ToolCallEnd = ToolCallIntent & ToolCallOutcome;

/** What an operator says of a call. */
export type ToolCallVerdict = ToolCallOutcome & {
  readonly runId: string;
  readonly key: string;
  /** Who says so. */
  readonly by: string;
};

/** `known`: do not make it. `open`: an earlier `attempt` began it, or this one, and nobody knows of its end. */
export type BeginToolCallOutcome = z.infer<typeof BeginToolCallAnswer>;
/** `already`: it had an outcome, which stands. */
export type EndToolCallOutcome = z.infer<typeof EndToolCallAnswer>;
export type DoubtToolCallOutcome = z.infer<typeof DoubtToolCallAnswer>;
/** `under-way`: that attempt is making it, or was when it died. */
export type ResolveToolCallOutcome = Exclude<
  z.infer<typeof ResolveToolCallAnswer>,
  { readonly outcome: 'run-unknown' }
>;

/** The ledger of tool calls: each with one outcome, whatever becomes of who made it. */
export function createToolCalls(pool: Pool) {
  return {
    /** Without side effects nothing is written; it only answers what is known. */
    async begin(tenantId: string, intent: ToolCallIntent): Promise<BeginToolCallOutcome> {
      const answer = await callQuietly(pool, 'begin_tool_call', { tenantId, body: intent });
      return parseStored(BeginToolCallAnswer, answer);
    },

    async end(tenantId: string, end: ToolCallEnd): Promise<EndToolCallOutcome> {
      const answer = await callQuietly(pool, 'end_tool_call', { tenantId, body: end });
      return parseStored(EndToolCallAnswer, answer);
    },

    /** Keeps, and tells the run's readers, that nobody could say what became of an open call. */
    async doubt(
      tenantId: string,
      call: AttemptKey & { readonly key: string },
    ): Promise<DoubtToolCallOutcome> {
      const answer = await callFunction(pool, 'doubt_tool_call', { tenantId, body: call });
      return parseStored(DoubtToolCallAnswer, answer);
    },

    /** Throws RUN_UNKNOWN. Audited. */
    async resolve(tenantId: string, verdict: ToolCallVerdict): Promise<ResolveToolCallOutcome> {
      const body = { ...verdict, auditId: uuidv7() };
      const answer = await callFunction(pool, 'resolve_tool_call', { tenantId, body });
      return knownRun(parseStored(ResolveToolCallAnswer, answer), verdict.runId);
    },

    /** In the order in which they were first made. */
    list: (tenantId: string, runId: string) =>
      withTenant(pool, tenantId, async (tx): Promise<ToolCallRow[]> => {
        const rows = await tx
          .select({ call: toolCalls, address: agentRuns.address, agent: agentRuns.agent })
          .from(toolCalls)
          .innerJoin(
            agentRuns,
            and(eq(agentRuns.tenantId, toolCalls.tenantId), eq(agentRuns.id, toolCalls.agentRunId)),
          )
          .where(and(eq(toolCalls.tenantId, tenantId), eq(toolCalls.runId, runId)))
          .orderBy(asc(toolCalls.startedAt), asc(toolCalls.key));
        return rows.map(({ call, ...whose }) => toRow(call, whose));
      }),
  };
}

function toRow(
  row: typeof toolCalls.$inferSelect,
  whose: { readonly address: string; readonly agent: string },
): ToolCallRow {
  const { tenantId: _, ...call } = row;
  return {
    ...call,
    ...whose,
    status: statusOf(call),
    arguments: parseStored(Value, call.arguments),
    result: parseStored(Value.nullable(), call.result),
    failure: parseStored(StoredFailure.nullable(), call.failure),
    startedAt: call.startedAt.toISOString(),
    unknownAt: call.unknownAt?.toISOString() ?? null,
    endedAt: call.endedAt?.toISOString() ?? null,
  };
}

type Ends = Pick<typeof toolCalls.$inferSelect, 'failure' | 'unknownAt' | 'endedAt'>;

function statusOf({ failure, unknownAt, endedAt }: Ends): ToolCallStatus {
  if (endedAt !== null) return failure === null ? 'done' : 'failed';
  return unknownAt === null ? 'open' : 'unknown';
}
