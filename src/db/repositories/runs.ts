import { and, desc, eq, isNull, lt } from 'drizzle-orm';
import type { Pool } from 'pg';
import type { AgentVersion, Degradation } from '../../protocol/agent';
import type { NewEvent } from '../../protocol/event';
import { AppError, type Failure } from '../../protocol/failures';
import { type JsonObject, Value } from '../../protocol/json';
import { Step } from '../../protocol/plan';
import type { ParentRun, RunBounds, RunStatus } from '../../protocol/run';
import {
  CreateAnswer,
  FinishAnswer,
  FinishSilentAnswer,
  knownRun,
  parseStored,
  StoredAgents,
  StoredBounds,
  StoredDegraded,
  StoredFailure,
  StoredUsage,
} from '../answers';
import type { RunRow, RunSummary } from '../rows';
import { runs } from '../schema/runs';
import { callFunction, withTenant } from '../tenant-door';

/** A run to accept. `runId` is a UUIDv7 made by the caller, so that asking again changes nothing. */
export interface NewRun {
  readonly runId: string;
  readonly projectId: string;
  readonly task: Value;
  readonly input: Value;
  readonly plan: Step;
  readonly agents: readonly AgentVersion[];
  readonly idempotencyKey?: string | undefined;
  /** Hash of what was asked: the same key with another hash is refused. */
  readonly requestHash: string;
  /** Data of the `run.accepted` event. */
  readonly accepted?: JsonObject | undefined;
  /** Of a child run; `events` are what the parent has decided, and come before the child in its story. */
  readonly parent?:
    | (ParentRun & { readonly bounds: RunBounds; readonly events: readonly NewEvent[] })
    | undefined;
}

export interface CreatedRun {
  /** The run accepted first under the same key, where there was one. */
  readonly runId: string;
  readonly created: boolean;
  readonly status: RunStatus;
}

export interface RunEnd {
  readonly runId: string;
  readonly status: 'completed' | 'failed' | 'cancelled';
  readonly result: Value | null;
  readonly failure: Failure | null;
  readonly degraded: readonly Degradation[];
  /** Decisions not yet told by anything else; they come before the end in the run's story. */
  readonly events: readonly NewEvent[];
}

export interface FinishedRun {
  /** `already`: the run had ended before, as `status` says; nothing was changed. */
  readonly outcome: 'finished' | 'already';
  readonly status: RunStatus;
}

export interface RunPage {
  readonly projectId?: string | undefined;
  /** The last run of the page before. */
  readonly beforeRunId?: string | undefined;
  readonly limit: number;
}

/** Runs: accepted once, ended once. */
export function createRuns(pool: Pool) {
  return {
    /** Throws IDEMPOTENCY_CONFLICT, PROJECT_UNKNOWN and, for a child run, RUN_FINAL. */
    create: (tenantId: string, run: NewRun) => create(pool, tenantId, run),

    async find(tenantId: string, runId: string): Promise<RunRow | undefined> {
      // The tenant by name: the policies of this table are two, and no index is chosen by what only one says.
      const key = and(eq(runs.tenantId, tenantId), eq(runs.id, runId));
      const rows = await withTenant(pool, tenantId, (tx) => tx.select().from(runs).where(key));
      return rows[0] && toRow(rows[0]);
    },

    /** Throws RUN_UNKNOWN. Agent runs that still are open are cancelled with the run. */
    async finish(tenantId: string, end: RunEnd): Promise<FinishedRun> {
      const answer = await callFunction(pool, 'finish_run', { tenantId, body: end });
      return knownRun(parseStored(FinishAnswer, answer), end.runId);
    },

    /** As `finish`, where the run has no bus; nothing is written where it has one. */
    async finishSilent(
      tenantId: string,
      end: RunEnd,
    ): Promise<FinishedRun | { readonly outcome: 'bus-open' }> {
      const answer = await callFunction(pool, 'finish_silent_run', { tenantId, body: end });
      return knownRun(parseStored(FinishSilentAnswer, answer), end.runId);
    },

    /** Child runs of a run that have not ended. */
    async openChildren(tenantId: string, runId: string): Promise<readonly string[]> {
      const open = and(eq(runs.tenantId, tenantId), eq(runs.parentRunId, runId), isNull(runs.endedAt));
      const rows = await withTenant(pool, tenantId, (tx) =>
        tx.select({ id: runs.id }).from(runs).where(open),
      );
      return rows.map(({ id }) => id);
    },

    /** Newest first, without child runs. */
    list: (tenantId: string, page: RunPage) => list(pool, tenantId, page),
  };
}

async function create(pool: Pool, tenantId: string, run: NewRun): Promise<CreatedRun> {
  const answer = parseStored(CreateAnswer, await callFunction(pool, 'create_run', { tenantId, body: run }));
  switch (answer.outcome) {
    case 'created':
    case 'existing':
      return { runId: answer.runId, created: answer.outcome === 'created', status: answer.status };
    case 'conflict':
      throw new AppError(
        'IDEMPOTENCY_CONFLICT',
        'This idempotency key was used before for another request; use a new key or repeat the same request',
      );
    case 'parent-final':
      throw new AppError('RUN_FINAL', `Run ${run.parent?.runId} is over; it starts no child runs any more`);
    case 'project-unknown':
      throw new AppError('PROJECT_UNKNOWN', `There is no project ${run.projectId}`);
  }
}

const summaryColumns = {
  id: runs.id,
  projectId: runs.projectId,
  status: runs.status,
  task: runs.task,
  failure: runs.failure,
  createdAt: runs.createdAt,
  startedAt: runs.startedAt,
  endedAt: runs.endedAt,
};

async function list(pool: Pool, tenantId: string, page: RunPage): Promise<RunSummary[]> {
  const rows = await withTenant(pool, tenantId, (tx) =>
    tx
      .select(summaryColumns)
      .from(runs)
      .where(
        and(
          eq(runs.tenantId, tenantId),
          isNull(runs.parentRunId),
          page.projectId === undefined ? undefined : eq(runs.projectId, page.projectId),
          page.beforeRunId === undefined ? undefined : lt(runs.id, page.beforeRunId),
        ),
      )
      // UUIDv7 sorts by time.
      .orderBy(desc(runs.id))
      .limit(page.limit),
  );
  return rows.map(toSummary);
}

function toRow(row: typeof runs.$inferSelect): RunRow {
  return {
    ...row,
    task: parseStored(Value, row.task),
    input: parseStored(Value, row.input),
    plan: parseStored(Step, row.plan),
    agents: parseStored(StoredAgents, row.agents),
    bounds: parseStored(StoredBounds.nullable(), row.bounds),
    result: parseStored(Value.nullable(), row.result),
    failure: parseStored(StoredFailure.nullable(), row.failure),
    degraded: parseStored(StoredDegraded, row.degraded),
    usage: parseStored(StoredUsage.nullable(), row.usage),
    createdAt: row.createdAt.toISOString(),
    startedAt: row.startedAt?.toISOString() ?? null,
    endedAt: row.endedAt?.toISOString() ?? null,
    updatedAt: row.updatedAt.toISOString(),
  };
}

type SummaryRow = Pick<typeof runs.$inferSelect, keyof typeof summaryColumns>;

function toSummary(row: SummaryRow): RunSummary {
  return {
    ...row,
    task: parseStored(Value, row.task),
    failure: parseStored(StoredFailure.nullable(), row.failure),
    createdAt: row.createdAt.toISOString(),
    startedAt: row.startedAt?.toISOString() ?? null,
    endedAt: row.endedAt?.toISOString() ?? null,
  };
}
