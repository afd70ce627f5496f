import { sql } from 'drizzle-orm';
import { check, foreignKey, integer, jsonb, pgPolicy, primaryKey, text, uuid } from 'drizzle-orm/pg-core';
import type { JsonObject } from '../../protocol/json';
import type { CatalogueRow } from '../rows';
import {
  bytea,
  createdAt,
  type ColumnsOf,
  ensemble,
  moment,
  ownTenantPolicy,
  tenantId,
  tenantPolicy,
  updatedAt,
} from './ensemble';

/** Whoever must never see another one's rows. */
export const tenants = ensemble.table(
  'tenants',
  {
    id: uuid('id').primaryKey(),
    name: text('name').notNull(),
    createdAt: createdAt(),
    updatedAt: updatedAt(),
  },
  () => [ownTenantPolicy()],
);

/** A tenant's runs are grouped by project. */
export const projects = ensemble.table(
  'projects',
  {
    tenantId: tenantId(),
    id: uuid('id').notNull(),
    name: text('name').notNull(),
    createdAt: createdAt(),
    updatedAt: updatedAt(),
  },
  (table) => [
    primaryKey({ columns: [table.tenantId, table.id] }),
    foreignKey({ name: 'projects_tenant', columns: [table.tenantId], foreignColumns: [tenants.id] }).onDelete(
      'cascade',
    ),
    tenantPolicy(),
  ],
);

/** Large values, once per tenant and content. */
export const blobs = ensemble.table(
  'blobs',
  {
    tenantId: tenantId(),
    sha256: text('sha256').notNull(),
    mediaType: text('media_type').notNull(),
    bytes: integer('bytes').notNull(),
    data: bytea('data').notNull(),
    createdAt: createdAt(),
  },
  (table) => [
    primaryKey({ columns: [table.tenantId, table.sha256] }),
    foreignKey({ name: 'blobs_tenant', columns: [table.tenantId], foreignColumns: [tenants.id] }).onDelete(
      'cascade',
    ),
    check('blobs_sha256', sql`${table.sha256} ~ '^[0-9a-f]{64}$'`),
    check('blobs_bytes', sql`${table.bytes} = octet_length(${table.data})`),
    tenantPolicy(),
  ],
);

/** The agents that workers have loaded. Platform-wide: it describes code, which is no tenant's. */
export const agents = ensemble.table(
  'agents',
  {
    name: text('name').notNull(),
    version: text('version').notNull(),
    agentType: text('agent_type').notNull(),
    capabilities: text('capabilities').array().notNull(),
    manifest: jsonb('manifest').$type<JsonObject>().notNull(),
    lastSeenAt: moment('last_seen_at').notNull(),
    createdAt: createdAt(),
    updatedAt: updatedAt(),
  } satisfies ColumnsOf<CatalogueRow & { createdAt: string; updatedAt: string }>,
  (table) => [
    primaryKey({ columns: [table.name, table.version] }),
    pgPolicy('platform', { to: 'ensemble_app', using: sql`true`, withCheck: sql`true` }),
  ],
);
