import { and, asc, eq } from 'drizzle-orm';
import { alias } from 'drizzle-orm/pg-core';
import type { Pool } from 'pg';
import type { z } from 'zod';
import type { AgentResult } from '../../protocol/agent';
import type { NewEvent } from '../../protocol/event';
import { AppError, type Failure } from '../../protocol/failures';
import type { Value } from '../../protocol/json';
import type { NewRest } from '../../protocol/rest';
import {
  CloseAnswer,
  FailAttemptAnswer,
  knownRun,
  LayDownAnswer,
  OpenAnswer,
  parseStored,
  SettleAnswer,
  StoredAgentResult,
  StoredFailure,
  StoredUsage,
} from '../answers';
import type { AgentRunRow, AttemptRow } from '../rows';
import { agentRunAttempts, agentRuns } from '../schema/runs';
import { callFunction, withTenant } from '../tenant-door';

/** Which agent execution of a run, and the id it gets if this call is the one that makes its row. */
export interface AgentRunKey {
  readonly runId: string;
  /** A UUIDv7 made by the caller. */
  readonly candidateId: string;
  readonly address: string;
  readonly agent: string;
  readonly version: string;
}

export interface OpenAgentRun extends AgentRunKey {
  /** With `activityAttempt`: which of two openings is the younger. */
  readonly scheduledAtMs: number;
  readonly activityAttempt: number;
  /** No earlier attempt at it can have begun: one that was opened ahead is taken over as it is. */
  readonly first?: boolean | undefined;
  /** From 1, which is also what holds where it is left out. */
  readonly turn?: number | undefined;
  /** Hash of the token that this attempt alone holds: the same opening sent twice with it is one. */
  readonly tokenHash: string;
  readonly worker: string;
  /** Decisions of the workflow; appended first. */
  readonly events: readonly NewEvent[];
}

/** An opening whose activity is not there yet. */
export type OpenedAhead = Omit<AgentRunKey, 'runId'> & Pick<OpenAgentRun, 'tokenHash' | 'worker'>;

/** Proof that an attempt holds its agent run. */
export interface AttemptKey {
  readonly runId: string;
  readonly agentRunId: string;
  readonly attempt: number;
  readonly tokenHash: string;
}

/** Who reads: nothing in it names a run. */
export type Holder = Pick<AttemptKey, 'agentRunId' | 'tokenHash'>;

export interface CloseAgentRun extends AttemptKey {
  /** Its usage is replaced by what the ledger says of all attempts. */
  readonly result: AgentResult;
  /** The result is the run's too, which ends with it unless there is more to be done than to say so. */
  readonly ends?: true | undefined;
  /** The agent run to open with it, unless the result changes the context. */
  readonly next?: OpenedAhead | undefined;
  /** Messages of this member that count as read with the result. */
  readonly read?: readonly number[] | undefined;
  readonly member?: string | undefined;
}

export interface LayDownAgentRun extends AttemptKey {
  readonly turn: number;
  readonly rest: NewRest;
  /** Messages of this member that count as read with the turn. */
  readonly read?: readonly number[] | undefined;
  readonly member?: string | undefined;
}

export interface FailAttempt extends AttemptKey {
  readonly failure: Failure;
  readonly willRetry: boolean;
  /** A stopping worker gave it up: it does not count as one of the agent's attempts. */
  readonly givenUp?: boolean | undefined;
  readonly nextAttemptInMs?: number | undefined;
}

export interface SettleAgentRun extends AgentRunKey {
  readonly status: 'failed' | 'cancelled';
  readonly failure: Failure;
  /** With it, an agent run of which fewer attempts counted stays open. */
  readonly maxAttempts?: number | undefined;
  readonly events: readonly NewEvent[];
}

type Known<T> = Exclude<T, { readonly outcome: 'run-unknown' }>;

/** `closed`, `asleep`: the work or the turn is done, execute nothing. `fenced`: a younger attempt is under way. */
export type OpenOutcome = Known<z.infer<typeof OpenAnswer>>;
/** `already`: it was closed before, as the rest says. `fenced`: the attempt lost the row; nothing was written. */
export type CloseOutcome = z.infer<typeof CloseAnswer>;
/** `asleep`: as the rest says. Otherwise as of closing. */
export type LayDownOutcome = z.infer<typeof LayDownAnswer>;
export type FailAttemptOutcome = z.infer<typeof FailAttemptAnswer>;
/**
 * `adopted`: a completed result was found and stands. `already`: it had failed or been cancelled before.
 * `unfinished`: it may be tried again, since only so many attempts counted.
 */
export type SettleOutcome = Known<z.infer<typeof SettleAnswer>>;

/** Agent runs: each attempt fenced, each closed once. */
export function createAgentRuns(pool: Pool) {
  return {
    /** Throws RUN_UNKNOWN. */
    async open(tenantId: string, opening: OpenAgentRun): Promise<OpenOutcome> {
      const answer = await callFunction(pool, 'open_agent_run', { tenantId, body: opening });
      return knownRun(parseStored(OpenAnswer, answer), opening.runId);
    },

    async close(tenantId: string, { ends, ...body }: CloseAgentRun): Promise<CloseOutcome> {
      const alone = ends === true ? 'close_last_agent_run' : 'close_agent_run';
      // Who has read has a bus, which is to be closed before the run ends.
      const close = body.read === undefined ? alone : 'close_agent_run_with_reading';
      return parseStored(CloseAnswer, await callFunction(pool, close, { tenantId, body }));
    },

    /** Ends a turn whose agent lies down; the row stays open for the next one. */
    async layDown(tenantId: string, body: LayDownAgentRun): Promise<LayDownOutcome> {
      return parseStored(LayDownAnswer, await callFunction(pool, 'lay_down_agent_run', { tenantId, body }));
    },

    /** Keeps a failed attempt; the attempt holds nothing afterwards. */
    async failAttempt(tenantId: string, failed: FailAttempt): Promise<FailAttemptOutcome> {
      return parseStored(
        FailAttemptAnswer,
        await callFunction(pool, 'fail_attempt', { tenantId, body: failed }),
      );
    },

    /** Throws RUN_UNKNOWN. Closes what the workflow gave up, or adopts the result that came in meanwhile. */
    async settle(tenantId: string, settlement: SettleAgentRun): Promise<SettleOutcome> {
      const answer = await callFunction(pool, 'settle_agent_run', { tenantId, body: settlement });
      return knownRun(parseStored(SettleAnswer, answer), settlement.runId);
    },

    /** The output of a completed agent run; undefined where there is none. */
    async outputOf(tenantId: string, runId: string, address: string): Promise<Value | undefined> {
      const rows = await withTenant(pool, tenantId, (tx) =>
        tx
          .select({ result: agentRuns.result })
          .from(agentRuns)
          .where(and(eq(agentRuns.runId, runId), eq(agentRuns.address, address))),
      );
      return parseStored(StoredAgentResult.nullable(), rows[0]?.result ?? null)?.output;
    },

    /**
     * The output at another address of the run that the attempt's own row names; undefined where there is none.
     * Throws ATTEMPT_FENCED where the attempt no longer holds its row: what may be read follows from its token alone.
     */
    previousOutput: (tenantId: string, attempt: Holder, address: string) =>
      previousOutput(pool, tenantId, { ...attempt, address }),

    /** In the order of their first opening, each with its failed attempts. */
    listByRun: (tenantId: string, runId: string) => listByRun(pool, tenantId, runId),
  };
}

interface PreviousOutput extends Holder {
  readonly address: string;
}

async function previousOutput(
  pool: Pool,
  tenantId: string,
  { agentRunId, tokenHash, address }: PreviousOutput,
): Promise<Value | undefined> {
  const holder = alias(agentRuns, 'holder');
  const ofSameRun = and(eq(agentRuns.runId, holder.runId), eq(agentRuns.address, address));
  const holds = and(eq(holder.id, agentRunId), eq(holder.tokenHash, tokenHash), eq(holder.status, 'running'));
  const rows = await withTenant(pool, tenantId, (tx) =>
    tx.select({ result: agentRuns.result }).from(holder).leftJoin(agentRuns, ofSameRun).where(holds),
  );
  const [row] = rows;
  if (row === undefined)
    throw new AppError('ATTEMPT_FENCED', 'A later attempt took over; this one may read nothing');
  return parseStored(StoredAgentResult.nullable(), row.result)?.output;
}

async function listByRun(pool: Pool, tenantId: string, runId: string): Promise<AgentRunRow[]> {
  const [rows, attempts] = await withTenant(pool, tenantId, async (tx) => {
    const ofRun = eq(agentRuns.runId, runId);
    return [
      await tx.select().from(agentRuns).where(ofRun).orderBy(asc(agentRuns.createdAt), asc(agentRuns.id)),
      await tx
        .select({ attempt: agentRunAttempts })
        .from(agentRunAttempts)
        .innerJoin(agentRuns, eq(agentRuns.id, agentRunAttempts.agentRunId))
        .where(ofRun)
        .orderBy(asc(agentRunAttempts.attempt)),
    ] as const;
  });
  return rows.map((row) =>
    toRow(
      row,
      attempts.map(({ attempt }) => attempt).filter((attempt) => attempt.agentRunId === row.id),
    ),
  );
}

function toRow(
  row: typeof agentRuns.$inferSelect,
  attempts: readonly (typeof agentRunAttempts.$inferSelect)[],
): AgentRunRow {
  return {
    id: row.id,
    tenantId: row.tenantId,
    runId: row.runId,
    address: row.address,
    agent: row.agent,
    version: row.version,
    status: row.status,
    attempt: row.attempt,
    worker: row.worker,
    startedAt: row.startedAt?.toISOString() ?? null,
    endedAt: row.endedAt?.toISOString() ?? null,
    result: parseStored(StoredAgentResult.nullable(), row.result),
    failure: parseStored(StoredFailure.nullable(), row.failure),
    usage: parseStored(StoredUsage.nullable(), row.usage),
    attempts: attempts.map(toAttempt),
  };
}

function toAttempt(row: typeof agentRunAttempts.$inferSelect): AttemptRow {
  return {
    attempt: row.attempt,
    failure: parseStored(StoredFailure, row.failure),
    willRetry: row.willRetry,
    worker: row.worker,
    startedAt: row.startedAt?.toISOString() ?? null,
    endedAt: row.endedAt.toISOString(),
  };
}
