import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { drizzle } from 'drizzle-orm/node-postgres';
import { migrate as runMigrations } from 'drizzle-orm/node-postgres/migrator';
import { Client, type Pool } from 'pg';
import { AppError } from '../protocol/failures';
import { databaseCode, databaseError } from './errors';
import { ensureLogin } from './login';

const MIGRATIONS = {
  migrationsFolder: join(__dirname, 'migrations'),
  migrationsSchema: 'ensemble',
  migrationsTable: 'migrations',
};
/** Any number that no other program uses for advisory locks of its own: 'ensemble' in ASCII. */
const MIGRATION_LOCK = '7308906124732951653';

export interface MigrateOptions {
  /** The role that owns the tables; it never serves. */
  readonly adminUrl: string;
  /** The login that serves; it is created where it is missing, and allowed to use our tables. */
  readonly appUrl?: string | undefined;
  readonly announce?: ((line: string) => void) | undefined;
}

/** Brings the database to this version's schema. Any number of processes may do so at once. */
export async function migrate(options: MigrateOptions): Promise<void> {
  const client = new Client({ connectionString: options.adminUrl, application_name: 'ensemble-migrate' });
  // Without a listener, a connection that breaks ends the process; the query under way rejects anyway.
  client.on('error', () => {});
  try {
    await client.connect();
    await client.query('select pg_advisory_lock($1)', [MIGRATION_LOCK]);
    const before = await appliedVersion(client);
    await runMigrations(drizzle(client), MIGRATIONS);
    if (before !== (await wantedVersion())) options.announce?.('PostgreSQL: schema brought up to date');
    if (options.appUrl !== undefined) await ensureLogin(client, options.appUrl);
  } catch (error) {
    throw migrationError(error);
  } finally {
    // The lock ends with the session.
    await client.end().catch(() => {});
  }
}

/** Throws DATABASE_SCHEMA_OUTDATED where this version's migrations are missing; a newer schema is accepted. */
export async function assertSchemaCurrent(pool: Pool): Promise<void> {
  const applied = await appliedVersion(pool).catch((error: unknown) => {
    throw databaseCode(error) === '42501' ? missingGrant() : databaseError(error);
  });
  if (applied >= (await wantedVersion())) return;
  throw new AppError(
    'DATABASE_SCHEMA_OUTDATED',
    `PostgreSQL ${applied === 0 ? 'has no Ensemble schema' : 'has the schema of an older version'}: ` +
      'start one process with DATABASE_ADMIN_URL set to the role that migrates, it brings the schema up to date',
  );
}

/** Throws DATABASE_ROLE_UNSAFE where row-level security would not bind the pool's own login. */
export async function assertSafeRole(pool: Pool): Promise<void> {
  const { rows } = await pool
    .query<{ role: string; reason: string }>(UNSAFE_ROLE)
    .catch((error: unknown) => Promise.reject(databaseError(error)));
  const unsafe = rows[0];
  if (unsafe === undefined) return;
  throw new AppError(
    'DATABASE_ROLE_UNSAFE',
    `DATABASE_URL logs in as "${unsafe.role}", which ${unsafe.reason}: tenants would not be kept apart. ` +
      'Use a login whose only rights are those of ensemble_app',
  );
}

// Membership counts as much as the attribute itself: a member may become the role.
const UNSAFE_ROLE = `
  select current_user as role, 'is or may become a superuser' as reason
    where exists (select from pg_roles where rolsuper and pg_has_role(current_user, oid, 'member'))
  union all
  select current_user, 'bypasses row-level security'
    where exists (select from pg_roles where rolbypassrls and pg_has_role(current_user, oid, 'member'))
  union all
  select current_user, 'owns tables of Ensemble'
    where exists (
      select from pg_class join pg_namespace on pg_namespace.oid = relnamespace
       where nspname = 'ensemble' and pg_has_role(current_user, relowner, 'member'))`;

interface Queryable {
  query<R extends object>(text: string): Promise<{ rows: R[] }>;
}

/** When the newest applied migration was made, in milliseconds; 0 where there is none. */
async function appliedVersion(database: Queryable): Promise<number> {
  try {
    const { rows } = await database.query<{ version: string | null }>(
      'select max(created_at) as version from ensemble.migrations',
    );
    return Number(rows[0]?.version ?? 0);
  } catch (error) {
    const code = databaseCode(error);
    if (code === '42P01' || code === '3F000') return 0;
    throw error;
  }
}

async function wantedVersion(): Promise<number> {
  const journal: { entries: { when: number }[] } = JSON.parse(
    await readFile(join(MIGRATIONS.migrationsFolder, 'meta', '_journal.json'), 'utf8'),
  );
  return Math.max(...journal.entries.map((entry) => entry.when));
}

function missingGrant(): AppError {
  return new AppError(
    'CONFIG_INVALID',
    'DATABASE_URL logs in as a role without rights on schema ensemble; as a role that may, run: ' +
      'grant ensemble_app to <role>',
  );
}

function migrationError(error: unknown): AppError {
  if (databaseCode(error) !== '42501') return databaseError(error);
  const reason = databaseError(error).message;
  return new AppError(
    'CONFIG_INVALID',
    `DATABASE_ADMIN_URL may not do what migrating needs (${reason}). As a superuser run: ` +
      'create role ensemble_app nologin; and: grant create on database <database> to <admin role>',
  );
}
