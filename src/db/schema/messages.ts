import { sql } from 'drizzle-orm';
import { boolean, check, foreignKey, index, jsonb, primaryKey, text, uuid } from 'drizzle-orm/pg-core';
import type { BlobRef, Json } from '../../protocol/json';
import type { MessageRow } from '../rows';
import {
  type ColumnsOf,
  createdAt,
  ensemble,
  messagePriority,
  messageStatus,
  tenantId,
  tenantPolicy,
  updatedAt,
} from './ensemble';
import { runs } from './runs';

/** What agents tell each other. The bus adds its columns (publisher, number, total order) when it arrives. */
export const agentMessages = ensemble.table(
  'agent_messages',
  {
    tenantId: tenantId(),
    id: uuid('id').notNull(),
    runId: uuid('run_id').notNull(),
    fromAgent: text('from_agent').notNull(),
    toAgent: text('to_agent'),
    topic: text('topic'),
    broadcast: boolean('broadcast').notNull().default(false),
    type: text('type').notNull(),
    priority: messagePriority('priority').notNull().default('normal'),
    correlationId: text('correlation_id'),
    replyTo: text('reply_to'),
    content: jsonb('content').$type<Json>(),
    contentRef: jsonb('content_ref').$type<BlobRef>(),
    status: messageStatus('status').notNull().default('accepted'),
    createdAt: createdAt(),
    updatedAt: updatedAt(),
  } satisfies ColumnsOf<MessageRow>,
  (table) => [
    primaryKey({ columns: [table.tenantId, table.id] }),
    foreignKey({
      name: 'agent_messages_run',
      columns: [table.tenantId, table.runId],
      foreignColumns: [runs.tenantId, runs.id],
    }).onDelete('cascade'),
    index('agent_messages_by_run').on(table.tenantId, table.runId, table.id),
    check(
      'agent_messages_target',
      sql`num_nonnulls(${table.toAgent}, ${table.topic}, nullif(${table.broadcast}, false)) = 1`,
    ),
    check('agent_messages_content', sql`num_nonnulls(${table.content}, ${table.contentRef}) = 1`),
    tenantPolicy(),
  ],
);
