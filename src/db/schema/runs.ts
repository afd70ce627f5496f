import { sql } from 'drizzle-orm';
import {
  bigint,
  boolean,
  check,
  foreignKey,
  index,
  integer,
  jsonb,
  pgPolicy,
  primaryKey,
  text,
  unique,
  uuid,
} from 'drizzle-orm/pg-core';
import type { AgentResult, AgentVersion, Degradation, Usage } from '../../protocol/agent';
import type { NewRest } from '../../protocol/rest';
import type { EventType } from '../../protocol/event';
import type { Failure } from '../../protocol/failures';
import type { JsonObject, Value } from '../../protocol/json';
import type { Step } from '../../protocol/plan';
import type { RunBounds } from '../../protocol/run';
import type { AgentRunRow, AttemptRow, EventRow, RunRow } from '../rows';
import {
  agentRunStatus,
  type ColumnsOf,
  createdAt,
  ensemble,
  moment,
  openedFor,
  runStatus,
  tenantId,
  tenantPolicy,
  updatedAt,
} from './ensemble';
import { projects } from './tenancy';

/** One row per accepted run: the arbiter of its status, and the counter of its events. */
export const runs = ensemble.table(
  'runs',
  {
    tenantId: tenantId(),
    id: uuid('id').notNull(),
    projectId: uuid('project_id').notNull(),
    status: runStatus('status').notNull(),
    task: jsonb('task').$type<Value>().notNull(),
    input: jsonb('input').$type<Value>().notNull(),
    plan: jsonb('plan').$type<Step>().notNull(),
    agents: jsonb('agents').$type<AgentVersion[]>().notNull(),
    idempotencyKey: text('idempotency_key'),
    requestHash: text('request_hash').notNull(),
    parentRunId: uuid('parent_run_id'),
    parentAddress: text('parent_address'),
    // What it may do, where its parent left it less than any run may.
    bounds: jsonb('bounds').$type<RunBounds>(),
    result: jsonb('result').$type<Value>(),
    failure: jsonb('failure').$type<Failure>(),
    degraded: jsonb('degraded').$type<Degradation[]>().notNull().default([]),
    usage: jsonb('usage').$type<Usage>(),
    lastEventSeq: bigint('last_event_seq', { mode: 'number' }).notNull().default(0),
    createdAt: createdAt(),
    startedAt: moment('started_at'),
    endedAt: moment('ended_at'),
    updatedAt: updatedAt(),
  } satisfies ColumnsOf<RunRow>,
  (table) => [
    primaryKey({ columns: [table.tenantId, table.id] }),
    unique('runs_idempotency_key').on(table.tenantId, table.idempotencyKey),
    unique('runs_parent').on(table.tenantId, table.parentRunId, table.parentAddress),
    foreignKey({
      name: 'runs_parent_run',
      columns: [table.tenantId, table.parentRunId],
      foreignColumns: [table.tenantId, table.id],
    }).onDelete('cascade'),
    foreignKey({
      name: 'runs_project',
      columns: [table.tenantId, table.projectId],
      foreignColumns: [projects.tenantId, projects.id],
    }).onDelete('cascade'),
    index('runs_by_project').on(table.tenantId, table.projectId, table.id),
    index('runs_unfinished')
      .on(table.tenantId, table.createdAt)
      .where(sql`status in ('queued', 'running')`),
    check(
      'runs_ended',
      sql`(${table.status} in ('completed', 'failed', 'cancelled')) = (${table.endedAt} is not null)`,
    ),
    tenantPolicy(),
    // What ended is nobody's business but its tenant's. Queries name their tenant all the same: an index is
    // not chosen by what only one of two policies says.
    pgPolicy('unfinished', {
      for: 'select',
      to: 'ensemble_app',
      using: sql`status in ('queued', 'running') and ${openedFor(sql`'reconcile'`)}`,
    }),
  ],
);

/** Columns of an agent run that fence its attempts and never leave the database. */
interface Fencing {
  givenUp: number;
  turn: number;
  scheduledAtMs: number;
  activityAttempt: number;
  tokenHash: string | null;
  attemptStartedAt: string | null;
}

/** One row per agent execution: who holds the current attempt's token may write, nobody else. */
export const agentRuns = ensemble.table(
  'agent_runs',
  {
    tenantId: tenantId(),
    id: uuid('id').notNull(),
    runId: uuid('run_id').notNull(),
    address: text('address').notNull(),
    agent: text('agent').notNull(),
    version: text('version').notNull(),
    status: agentRunStatus('status').notNull(),
    attempt: integer('attempt').notNull(),
    // Attempts that count for nobody's limit: those that a stopping worker gave up, and those of turns that are over.
    givenUp: integer('given_up').notNull().default(0),
    turn: integer('turn').notNull().default(1),
    scheduledAtMs: bigint('scheduled_at_ms', { mode: 'number' }).notNull(),
    activityAttempt: integer('activity_attempt').notNull(),
    tokenHash: text('token_hash'),
    worker: text('worker'),
    startedAt: moment('started_at'),
    attemptStartedAt: moment('attempt_started_at'),
    endedAt: moment('ended_at'),
    result: jsonb('result').$type<AgentResult>(),
    failure: jsonb('failure').$type<Failure>(),
    usage: jsonb('usage').$type<Usage>(),
    createdAt: createdAt(),
    updatedAt: updatedAt(),
  } satisfies ColumnsOf<Omit<AgentRunRow, 'attempts'> & Fencing & { createdAt: string; updatedAt: string }>,
  (table) => [
    primaryKey({ columns: [table.tenantId, table.id] }),
    unique('agent_runs_address').on(table.tenantId, table.runId, table.address),
    foreignKey({
      name: 'agent_runs_run',
      columns: [table.tenantId, table.runId],
      foreignColumns: [runs.tenantId, runs.id],
    }).onDelete('cascade'),
    check('agent_runs_result', sql`(${table.status} = 'completed') = (${table.result} is not null)`),
    check('agent_runs_ended', sql`(${table.status} <> 'running') = (${table.endedAt} is not null)`),
    tenantPolicy(),
  ],
);

/** Every turn that ended with its agent lying down. Of an agent run that sleeps the current turn is among them. */
export const agentRunTurns = ensemble.table(
  'agent_run_turns',
  {
    tenantId: tenantId(),
    agentRunId: uuid('agent_run_id').notNull(),
    turn: integer('turn').notNull(),
    rest: jsonb('rest').$type<NewRest>().notNull(),
    endedAt: moment('ended_at')
      .notNull()
      .default(sql`clock_timestamp()`),
  },
  (table) => [
    primaryKey({ columns: [table.tenantId, table.agentRunId, table.turn] }),
    foreignKey({
      name: 'agent_run_turns_agent_run',
      columns: [table.tenantId, table.agentRunId],
      foreignColumns: [agentRuns.tenantId, agentRuns.id],
    }).onDelete('cascade'),
    check('agent_run_turns_turn', sql`${table.turn} > 0`),
    tenantPolicy(),
  ],
);

/** Every attempt that failed or was lost, kept for ever beside the agent run it belongs to. */
export const agentRunAttempts = ensemble.table(
  'agent_run_attempts',
  {
    tenantId: tenantId(),
    agentRunId: uuid('agent_run_id').notNull(),
    attempt: integer('attempt').notNull(),
    failure: jsonb('failure').$type<Failure>().notNull(),
    willRetry: boolean('will_retry').notNull(),
    worker: text('worker'),
    startedAt: moment('started_at'),
    endedAt: moment('ended_at')
      .notNull()
      .default(sql`clock_timestamp()`),
  } satisfies ColumnsOf<AttemptRow & { tenantId: string; agentRunId: string }>,
  (table) => [
    primaryKey({ columns: [table.tenantId, table.agentRunId, table.attempt] }),
    foreignKey({
      name: 'agent_run_attempts_agent_run',
      columns: [table.tenantId, table.agentRunId],
      foreignColumns: [agentRuns.tenantId, agentRuns.id],
    }).onDelete('cascade'),
    tenantPolicy(),
  ],
);

/** A run's story. `seq` is gap-free per run in commit order; `key` makes appending twice change nothing. */
export const runEvents = ensemble.table(
  'run_events',
  {
    tenantId: tenantId(),
    runId: uuid('run_id').notNull(),
    seq: bigint('seq', { mode: 'number' }).notNull(),
    key: text('key').notNull(),
    // Text, not an enum: plugins and later versions add types, and older processes must still read them.
    type: text('type').$type<EventType>().notNull(),
    address: text('address'),
    agent: text('agent'),
    data: jsonb('data').$type<JsonObject>().notNull(),
    at: createdAt(),
  } satisfies ColumnsOf<EventRow>,
  (table) => [
    primaryKey({ columns: [table.tenantId, table.runId, table.seq] }),
    unique('run_events_key').on(table.tenantId, table.runId, table.key),
    foreignKey({
      name: 'run_events_run',
      columns: [table.tenantId, table.runId],
      foreignColumns: [runs.tenantId, runs.id],
    }).onDelete('cascade'),
    check('run_events_seq', sql`${table.seq} > 0`),
    tenantPolicy(),
  ],
);
