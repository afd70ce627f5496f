import { sql } from 'drizzle-orm';
import { check, foreignKey, integer, jsonb, primaryKey, text, uuid } from 'drizzle-orm/pg-core';
import type { AgentDefinition } from '../../protocol/agent-definition';
import type { Step } from '../../protocol/plan';
import type { AgentDefinitionRow, StoredPlanRow } from '../rows';
import { type ColumnsOf, createdAt, ensemble, moment, tenantId, tenantPolicy } from './ensemble';
import { projects, tenants } from './tenancy';

/** Whose rows they are, and the hash that tells whether the same content comes again. */
interface Kept {
  tenantId: string;
  hash: string;
}

/** Agents that a tenant defined as data. A version never changes; retired, it is pinned by no new run. */
export const agentDefinitions = ensemble.table(
  'agent_definitions',
  {
    tenantId: tenantId(),
    name: text('name').notNull(),
    version: integer('version').notNull(),
    definition: jsonb('definition').$type<AgentDefinition>().notNull(),
    hash: text('hash').notNull(),
    createdAt: createdAt(),
    retiredAt: moment('retired_at'),
  } satisfies ColumnsOf<AgentDefinitionRow & Kept>,
  (table) => [
    primaryKey({ columns: [table.tenantId, table.name, table.version] }),
    foreignKey({
      name: 'agent_definitions_tenant',
      columns: [table.tenantId],
      foreignColumns: [tenants.id],
    }).onDelete('cascade'),
    check('agent_definitions_version', sql`${table.version} > 0`),
    check('agent_definitions_hash', sql`${table.hash} ~ '^[0-9a-f]{64}$'`),
    tenantPolicy(),
  ],
);

/** Plans that a project keeps. A version never changes. */
export const plans = ensemble.table(
  'plans',
  {
    tenantId: tenantId(),
    projectId: uuid('project_id').notNull(),
    name: text('name').notNull(),
    version: integer('version').notNull(),
    plan: jsonb('plan').$type<Step>().notNull(),
    hash: text('hash').notNull(),
    createdAt: createdAt(),
  } satisfies ColumnsOf<StoredPlanRow & Kept & { projectId: string }>,
  (table) => [
    primaryKey({ columns: [table.tenantId, table.projectId, table.name, table.version] }),
    foreignKey({
      name: 'plans_project',
      columns: [table.tenantId, table.projectId],
      foreignColumns: [projects.tenantId, projects.id],
    }).onDelete('cascade'),
    check('plans_version', sql`${table.version} > 0`),
    check('plans_hash', sql`${table.hash} ~ '^[0-9a-f]{64}$'`),
    tenantPolicy(),
  ],
);
