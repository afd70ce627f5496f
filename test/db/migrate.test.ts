import { randomBytes } from 'node:crypto';
import type { Pool } from 'pg';
import { assertSchemaCurrent, migrate } from '../../src/db/migrate';
import { createRepositories } from '../../src/db/repositories';
import { DEFAULT_PROJECT_ID, LOCAL_TENANT_ID } from '../../src/protocol/run';
import { aPool, asAdmin, createEmptyDatabase, type TestDatabase } from './support/database';

interface Login extends AsyncDisposable {
  readonly url: string;
  readonly name: string;
  readonly create: () => Promise<void>;
}

/** A login that no other test uses and that does not exist yet. */
function aLogin(database: TestDatabase): Login {
  const name = `login_${randomBytes(6).toString('hex')}`;
  const password = "it's 100% s%cret/@:";
  const url = new URL(database.appUrl);
  url.username = name;
  url.password = encodeURIComponent(password);
  return {
    url: url.href,
    name,
    create: () =>
      asAdmin(database.adminUrl, `create role ${name} login password '${password.replace("'", "''")}'`),
    [Symbol.asyncDispose]: () => asAdmin(database.adminUrl, `drop owned by ${name}; drop role ${name}`),
  };
}

async function using<T>(pool: Pool, work: (pool: Pool) => Promise<T>): Promise<T> {
  try {
    return await work(pool);
  } finally {
    await pool.end();
  }
}

describe('migrating', () => {
  test('two processes may migrate one database at once, and a third changes nothing', async () => {
    await using database = await createEmptyDatabase();
    const announced: string[] = [];
    const announce = (line: string) => announced.push(line);
    await Promise.all([migrate({ ...database, announce }), migrate({ ...database, announce })]);
    await migrate({ ...database, announce });
    expect(announced).toHaveLength(1);
    await using(aPool(database.appUrl), async (pool) => {
      await assertSchemaCurrent(pool);
      const { tenants, projects } = createRepositories(pool);
      await expect(tenants.exists(LOCAL_TENANT_ID)).resolves.toBe(true);
      await expect(projects.exists(LOCAL_TENANT_ID, DEFAULT_PROJECT_ID)).resolves.toBe(true);
    });
  });

  test('two databases of one cluster may be migrated at once with a login that neither has yet', async () => {
    await using one = await createEmptyDatabase();
    await using two = await createEmptyDatabase();
    await using login = aLogin(one);
    const other = new URL(login.url);
    other.pathname = new URL(two.appUrl).pathname;
    await Promise.all([
      migrate({ adminUrl: one.adminUrl, appUrl: login.url }),
      migrate({ adminUrl: two.adminUrl, appUrl: other.href }),
      migrate({ adminUrl: one.adminUrl, appUrl: login.url }),
    ]);
    for (const url of [login.url, other.href]) await using(aPool(url), (pool) => assertSchemaCurrent(pool));
  });

  test('a login that exists keeps its password and is allowed in', async () => {
    await using database = await createEmptyDatabase();
    await using login = aLogin(database);
    await login.create();
    await migrate({ adminUrl: database.adminUrl, appUrl: login.url });
    await using(aPool(login.url), (pool) => assertSchemaCurrent(pool));
  });

  test('a DATABASE_URL that names no user, or is no URL at all, is a matter of configuration', async () => {
    await using database = await createEmptyDatabase();
    for (const appUrl of ['postgres://127.0.0.1/x', 'postgres://user:100%@127.0.0.1/x', 'user@host'])
      await expect(migrate({ adminUrl: database.adminUrl, appUrl })).rejects.toMatchObject({
        code: 'CONFIG_INVALID',
      });
  });

  test('a database without the schema, or with an older one, is refused with what to do', async () => {
    await using database = await createEmptyDatabase();
    const outdated = {
      code: 'DATABASE_SCHEMA_OUTDATED',
      message: expect.stringContaining('DATABASE_ADMIN_URL'),
    };
    await using(aPool(database.adminUrl), async (pool) => {
      await expect(assertSchemaCurrent(pool)).rejects.toMatchObject(outdated);
      const { agents } = createRepositories(pool);
      await expect(agents.list()).rejects.toMatchObject({ code: 'DATABASE_SCHEMA_OUTDATED' });
    });
    await migrate(database);
    await asAdmin(
      database.adminUrl,
      'delete from ensemble.migrations where created_at = (select max(created_at) from ensemble.migrations)',
    );
    await using(aPool(database.appUrl), (pool) =>
      expect(assertSchemaCurrent(pool)).rejects.toMatchObject(outdated),
    );
  });

  test('a login without the group is told to be granted it', async () => {
    await using database = await createEmptyDatabase();
    await using login = aLogin(database);
    await migrate(database);
    await login.create();
    await using(aPool(login.url), (pool) =>
      expect(assertSchemaCurrent(pool)).rejects.toMatchObject({
        code: 'CONFIG_INVALID',
        message: expect.stringContaining('grant ensemble_app'),
      }),
    );
  });

  test('an admin that is no superuser migrates what it owns, and is told what it may not', async () => {
    await using database = await createEmptyDatabase();
    await using owner = aLogin(database);
    await owner.create();
    // The group role is there: other databases of this cluster were migrated by a superuser.
    await using before = await createEmptyDatabase();
    await migrate({ adminUrl: before.adminUrl });

    await expect(migrate({ adminUrl: owner.url })).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('grant create on database'),
    });
    const name = new URL(database.adminUrl).pathname.slice(1);
    await asAdmin(database.adminUrl, `alter database ${name} owner to ${owner.name}`);
    await migrate({ adminUrl: owner.url });
    const appUrl = owner.url.replace(owner.name, 'nobody_yet');
    await expect(migrate({ adminUrl: owner.url, appUrl })).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('create role "nobody_yet" login'),
    });
    // Forced: not even the owner sees a row without a tenant.
    await using(aPool(owner.url), async (pool) => {
      const { rows } = await pool.query('select from ensemble.tenants');
      expect(rows).toEqual([]);
    });
    await asAdmin(database.adminUrl, `reassign owned by ${owner.name} to current_user`);
  });

  test('an unreachable server is one line without the password', async () => {
    const adminUrl = 'postgres://ensemble:geheim@127.0.0.1:1/ensemble';
    const failure = await migrate({ adminUrl }).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
    expect(String(failure)).not.toMatch(/geheim|\n/);
  });
});
