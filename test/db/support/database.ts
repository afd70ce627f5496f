import { randomBytes } from 'node:crypto';
import { Client, type Pool } from 'pg';
import { migrate } from '../../../src/db/migrate';
import { createPool } from '../../../src/db/pool';
import { createRepositories, type Repositories } from '../../../src/db/repositories';

/** A migrated database of a suite's own, dropped when it is disposed. */
export interface TestDatabase extends AsyncDisposable {
  readonly adminUrl: string;
  readonly appUrl: string;
}

/** Makes an empty database in the cluster that the test run started. */
export async function createEmptyDatabase(): Promise<TestDatabase> {
  const adminUrl = variable('ENSEMBLE_TEST_DATABASE_ADMIN_URL');
  const name = `ensemble_test_${randomBytes(8).toString('hex')}`;
  await asAdmin(adminUrl, `create database ${name}`);
  return {
    adminUrl: withDatabase(adminUrl, name),
    appUrl: withDatabase(variable('ENSEMBLE_TEST_DATABASE_URL'), name),
    [Symbol.asyncDispose]: () => asAdmin(adminUrl, `drop database if exists ${name} with (force)`),
  };
}

/** Makes a database in the cluster that the test run started, and migrates it. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const database = await createEmptyDatabase();
  await migrate(database);
  return database;
}

/** What a suite works with: the application's pool and repositories, and a pool that sees everything. */
export interface DatabaseSuite {
  readonly adminUrl: string;
  readonly appUrl: string;
  readonly pool: Pool;
  readonly admin: Pool;
  readonly repositories: Repositories;
}

/** A database for the tests of the file that calls this; the result is there once the first test runs. */
export function useDatabase(): DatabaseSuite {
  const suite: { -readonly [K in keyof DatabaseSuite]?: DatabaseSuite[K] } = {};
  const disposables = new Array<() => Promise<void>>();
  beforeAll(async () => {
    const database = await createTestDatabase();
    const pool = aPool(database.appUrl);
    const admin = aPool(database.adminUrl);
    disposables.push(
      () => pool.end(),
      () => admin.end(),
      () => Promise.resolve(database[Symbol.asyncDispose]()),
    );
    const { adminUrl, appUrl } = database;
    Object.assign(suite, { adminUrl, appUrl, pool, admin, repositories: createRepositories(pool) });
  });
  afterAll(async () => {
    for (const dispose of disposables) await dispose();
  });
  return suite as DatabaseSuite;
}

/** A pool as the worker makes it. */
export function aPool(url: string, onError: (error: Error) => void = () => {}): Pool {
  return createPool(url, { size: 20, applicationName: 'ensemble-test', onError });
}

/** Runs one statement outside every tenant's rules. */
export async function asAdmin(adminUrl: string, statement: string): Promise<void> {
  const client = new Client({ connectionString: adminUrl });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

function variable(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set: run the tests by \`npm test\``);
  return value;
}

function withDatabase(url: string, name: string): string {
  const changed = new URL(url);
  changed.pathname = `/${name}`;
  return changed.href;
}
