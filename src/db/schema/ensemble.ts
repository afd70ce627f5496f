import { type SQL, sql } from 'drizzle-orm';
import { customType, pgPolicy, pgSchema, timestamp, uuid } from 'drizzle-orm/pg-core';
import { MESSAGE_PRIORITIES } from '../../protocol/message';
import { AGENT_RUN_STATUSES, RUN_STATUSES } from '../../protocol/run';

/** Everything of ours lives in one schema, so that an embedding service keeps its own `public` to itself. */
export const ensemble = pgSchema('ensemble');

export const runStatus = ensemble.enum('run_status', RUN_STATUSES);
export const agentRunStatus = ensemble.enum('agent_run_status', AGENT_RUN_STATUSES);
export const messagePriority = ensemble.enum('message_priority', MESSAGE_PRIORITIES);

/** A column of one name over all keys checks: every row proves that its columns are those of `T`. */
export type ColumnsOf<T> = { [K in keyof T]-?: unknown };

/** Bytes as PostgreSQL keeps them. */
export const bytea = customType<{ data: Buffer }>({ dataType: () => 'bytea' });

// The transaction's start would date an event before the lock it waited for; the clock dates it after.
const clock = sql`clock_timestamp()`;

/** When a row was written, by the database's clock. */
export const createdAt = () => timestamp('created_at', { withTimezone: true }).notNull().default(clock);
/** When a row was last changed; whoever changes it sets this. */
export const updatedAt = () => timestamp('updated_at', { withTimezone: true }).notNull().default(clock);
/** A moment that may not have come yet. */
export const moment = (name: string) => timestamp(name, { withTimezone: true });
export const tenantId = () => uuid('tenant_id').notNull();

// `nullif`: a connection that once had the setting answers '' instead of NULL, which must be no tenant, not
// an error.
export const currentTenant = sql`nullif(current_setting('app.tenant', true), '')::uuid`;

/** Rows of other tenants do not exist, for reading or writing; without a tenant, no row does. */
export const tenantPolicy = () =>
  pgPolicy('tenant', {
    using: sql`tenant_id = ${currentTenant}`,
    withCheck: sql`tenant_id = ${currentTenant}`,
  });

/** As `tenantPolicy`, for the table of tenants itself. */
export const ownTenantPolicy = () =>
  pgPolicy('tenant', { using: sql`id = ${currentTenant}`, withCheck: sql`id = ${currentTenant}` });

/** Inside the second door, opened for `purpose`. A tenant's transaction is never inside, whatever it sets. */
export const openedFor = (purpose: SQL): SQL =>
  sql`(${currentTenant} is null and current_setting('app.system', true) = ${purpose})`;
