import { sql } from 'drizzle-orm';
import {
  bigint,
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
import type { TokenKind, TokenTool } from '../../protocol/token';
import { ensemble, openedFor, tenantId, tenantPolicy, updatedAt } from './ensemble';
import { runs } from './runs';

// Both tables are UNLOGGED (the migration says so, drizzle cannot): what is streamed is for eyes, and gone after a
// crash of the server. The cursor then still rises: a stream that begins anew begins at the microseconds since its run
// was accepted, which no counter of chunks can have reached.

/** One row per run that streams: the counter of its chunks, whose lock makes commit order the cursor's order. */
export const tokenStreams = ensemble.table(
  'token_streams',
  {
    tenantId: tenantId(),
    runId: uuid('run_id').notNull(),
    lastSeq: bigint('last_seq', { mode: 'number' }).notNull(),
    updatedAt: updatedAt(),
  },
  (table) => [
    primaryKey({ columns: [table.tenantId, table.runId] }),
    foreignKey({
      name: 'token_streams_run',
      columns: [table.tenantId, table.runId],
      foreignColumns: [runs.tenantId, runs.id],
    }).onDelete('cascade'),
    index('token_streams_idle').on(table.runId, table.tenantId),
    tenantPolicy(),
    // Which runs have streamed, and nothing of what they said.
    pgPolicy('idle', { for: 'select', to: 'ensemble_app', using: openedFor(sql`'expire-tokens'`) }),
  ],
);

/** What models said, in pieces. `ordinal` counts an attempt's pieces: a batch sent twice is stored once. */
export const tokenChunks = ensemble.table(
  'token_chunks',
  {
    tenantId: tenantId(),
    runId: uuid('run_id').notNull(),
    seq: bigint('seq', { mode: 'number' }).notNull(),
    agentRunId: uuid('agent_run_id').notNull(),
    attempt: integer('attempt').notNull(),
    ordinal: integer('ordinal').notNull(),
    call: integer('call').notNull(),
    kind: text('kind').$type<TokenKind>().notNull(),
    text: text('text').notNull(),
    tool: jsonb('tool').$type<TokenTool>(),
  },
  (table) => [
    primaryKey({ columns: [table.tenantId, table.runId, table.seq] }),
    unique('token_chunks_ordinal').on(table.tenantId, table.agentRunId, table.attempt, table.ordinal),
    foreignKey({
      name: 'token_chunks_stream',
      columns: [table.tenantId, table.runId],
      foreignColumns: [tokenStreams.tenantId, tokenStreams.runId],
    }).onDelete('cascade'),
    check('token_chunks_kind', sql`${table.kind} in ('text', 'reasoning', 'tool-call', 'reset', 'end')`),
    tenantPolicy(),
  ],
);
