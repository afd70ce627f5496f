import { sql } from 'drizzle-orm';
import { index, jsonb, pgPolicy, text, uuid } from 'drizzle-orm/pg-core';
import type { JsonObject } from '../../protocol/json';
import { createdAt, currentTenant, ensemble, moment, openedFor } from './ensemble';

/** What was done across tenants, by whom and why. It outlives whom it tells of, so it refers to nothing. */
export const auditLog = ensemble.table(
  'audit_log',
  {
    id: uuid('id').primaryKey(),
    tenantId: uuid('tenant_id'),
    purpose: text('purpose').notNull(),
    actor: text('actor').notNull(),
    detail: jsonb('detail').$type<JsonObject>().notNull(),
    at: createdAt(),
  },
  (table) => {
    const allowed = sql`tenant_id = ${currentTenant} or ${openedFor(sql`purpose`)}`;
    return [
      index('audit_log_by_tenant').on(table.tenantId, table.id),
      // Nothing for UPDATE and DELETE: what was told stays told, whatever is granted one day.
      pgPolicy('read', { for: 'select', to: 'ensemble_app', using: allowed }),
      pgPolicy('append', { for: 'insert', to: 'ensemble_app', withCheck: allowed }),
    ];
  },
);

/** One row per purpose of the second door: when a process last took its turn, and where the next one goes on. */
export const systemJobs = ensemble.table(
  'system_jobs',
  {
    purpose: text('purpose').primaryKey(),
    position: jsonb('position').$type<JsonObject>().notNull().default({}),
    takenAt: moment('taken_at'),
  },
  () => [
    pgPolicy('system', {
      for: 'all',
      to: 'ensemble_app',
      using: openedFor(sql`purpose`),
      withCheck: openedFor(sql`purpose`),
    }),
  ],
);
