import { sql } from 'drizzle-orm';
import {
  bigint,
  check,
  foreignKey,
  index,
  integer,
  jsonb,
  primaryKey,
  text,
  uuid,
} from 'drizzle-orm/pg-core';
import type { ImmediateWrite } from '../../protocol/context';
import type { Failure } from '../../protocol/failures';
import type { Value } from '../../protocol/json';
import type { SideEffects } from '../../protocol/tool-call';
import type { ContextWriteRow, JournalRow, ModelCallRow, ToolCallRow } from '../rows';
import { type ColumnsOf, createdAt, ensemble, moment, tenantId, tenantPolicy } from './ensemble';
import { agentRuns } from './runs';

/** What tools were asked to do, and what came of it. A row without an end is an effect that may have happened. */
export const toolCalls = ensemble.table(
  'tool_calls',
  {
    tenantId: tenantId(),
    runId: uuid('run_id').notNull(),
    key: text('key').notNull(),
    agentRunId: uuid('agent_run_id').notNull(),
    step: text('step').notNull(),
    tool: text('tool').notNull(),
    sideEffects: text('side_effects').$type<SideEffects>().notNull(),
    arguments: jsonb('arguments').$type<Value>().notNull(),
    attempt: integer('attempt').notNull(),
    result: jsonb('result').$type<Value>(),
    failure: jsonb('failure').$type<Failure>(),
    resolvedBy: text('resolved_by'),
    startedAt: createdAt(),
    unknownAt: moment('unknown_at'),
    endedAt: moment('ended_at'),
  } satisfies ColumnsOf<Omit<ToolCallRow, 'address' | 'agent' | 'status'> & { tenantId: string }>,
  (table) => [
    primaryKey({ columns: [table.tenantId, table.runId, table.key] }),
    foreignKey({
      name: 'tool_calls_agent_run',
      columns: [table.tenantId, table.agentRunId],
      foreignColumns: [agentRuns.tenantId, agentRuns.id],
    }).onDelete('cascade'),
    index('tool_calls_by_agent_run').on(table.tenantId, table.agentRunId),
    check('tool_calls_key', sql`${table.key} ~ '^[0-9a-f]{64}$'`),
    check('tool_calls_side_effects', sql`${table.sideEffects} in ('none', 'idempotent', 'dangerous')`),
    check(
      'tool_calls_ended',
      sql`num_nonnulls(${table.result}, ${table.failure}) = num_nonnulls(${table.endedAt})`,
    ),
    tenantPolicy(),
  ],
);

/** What agent runs wrote down, so that a later attempt goes on where an earlier one ended. Never changed. */
export const journalEntries = ensemble.table(
  'journal_entries',
  {
    tenantId: tenantId(),
    agentRunId: uuid('agent_run_id').notNull(),
    seq: integer('seq').notNull(),
    attempt: integer('attempt').notNull(),
    entry: jsonb('entry').$type<Value>().notNull(),
    at: createdAt(),
  } satisfies ColumnsOf<JournalRow & { tenantId: string }>,
  (table) => [
    primaryKey({ columns: [table.tenantId, table.agentRunId, table.seq] }),
    foreignKey({
      name: 'journal_entries_agent_run',
      columns: [table.tenantId, table.agentRunId],
      foreignColumns: [agentRuns.tenantId, agentRuns.id],
    }).onDelete('cascade'),
    check('journal_entries_seq', sql`${table.seq} > 0`),
    tenantPolicy(),
  ],
);

/** Writes to shared contexts that left at once, each written down before it was sent. Never changed. */
export const contextWrites = ensemble.table(
  'context_writes',
  {
    tenantId: tenantId(),
    agentRunId: uuid('agent_run_id').notNull(),
    number: integer('number').notNull(),
    attempt: integer('attempt').notNull(),
    write: jsonb('write').$type<ImmediateWrite>().notNull(),
    at: createdAt(),
  } satisfies ColumnsOf<ContextWriteRow & { tenantId: string }>,
  (table) => [
    primaryKey({ columns: [table.tenantId, table.agentRunId, table.number] }),
    foreignKey({
      name: 'context_writes_agent_run',
      columns: [table.tenantId, table.agentRunId],
      foreignColumns: [agentRuns.tenantId, agentRuns.id],
    }).onDelete('cascade'),
    check('context_writes_number', sql`${table.number} > 0`),
    tenantPolicy(),
  ],
);

/** Every call to a model, failed ones too: what was spent. Null is what nobody knows. */
export const modelCalls = ensemble.table(
  'model_calls',
  {
    tenantId: tenantId(),
    id: uuid('id').notNull(),
    runId: uuid('run_id').notNull(),
    agentRunId: uuid('agent_run_id').notNull(),
    attempt: integer('attempt').notNull(),
    provider: text('provider').notNull(),
    model: text('model').notNull(),
    inputTokens: bigint('input_tokens', { mode: 'number' }),
    outputTokens: bigint('output_tokens', { mode: 'number' }),
    cachedInputTokens: bigint('cached_input_tokens', { mode: 'number' }),
    reasoningTokens: bigint('reasoning_tokens', { mode: 'number' }),
    firstTokenMs: integer('first_token_ms'),
    durationMs: integer('duration_ms').notNull(),
    costMicros: bigint('cost_micros', { mode: 'number' }),
    pricesOf: text('prices_of'),
    failure: jsonb('failure').$type<Failure>(),
    at: createdAt(),
  } satisfies ColumnsOf<Omit<ModelCallRow, 'address' | 'agent'> & { tenantId: string }>,
  (table) => [
    primaryKey({ columns: [table.tenantId, table.id] }),
    foreignKey({
      name: 'model_calls_agent_run',
      columns: [table.tenantId, table.agentRunId],
      foreignColumns: [agentRuns.tenantId, agentRuns.id],
    }).onDelete('cascade'),
    index('model_calls_by_run').on(table.tenantId, table.runId, table.id),
    index('model_calls_by_agent_run').on(table.tenantId, table.agentRunId),
    tenantPolicy(),
  ],
);
