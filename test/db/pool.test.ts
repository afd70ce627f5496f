import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'drizzle-orm';
import { createRepositories } from '../../src/db/repositories';
import { withTenant } from '../../src/db/tenant-door';
import { LOCAL_TENANT_ID } from '../../src/protocol/run';
import { aPool, useDatabase } from './support/database';
import { acceptedRun, aDecision, aRun, story } from './support/samples';

describe('the pool', () => {
  const database = useDatabase();

  const terminate = (condition: string) =>
    database.admin.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
        where usename <> current_user and datname = current_database() and ${condition}`,
    );

  test('goes on when the server ends its idle connections', async () => {
    const errors: Error[] = [];
    const pool = aPool(database.appUrl, (error) => errors.push(error));
    const { tenants } = createRepositories(pool);
    await Promise.all(Array.from({ length: 5 }, () => tenants.exists(LOCAL_TENANT_ID)));
    await terminate("state = 'idle'");
    while (pool.totalCount > 0) await sleep(10);
    expect(errors[0]).toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
    await expect(tenants.exists(LOCAL_TENANT_ID)).resolves.toBe(true);
    await pool.end();
  });

  test('tells whoever was using a connection that it broke, and goes on', async () => {
    const pool = aPool(database.appUrl);
    const unavailable = { code: 'DATABASE_UNAVAILABLE' };
    const inQuery = withTenant(pool, LOCAL_TENANT_ID, (tx) => tx.execute(sql`select pg_sleep(30)`));
    const between = withTenant(pool, LOCAL_TENANT_ID, async (tx) => {
      await tx.execute(sql`select 1`);
      await sleep(600);
      return tx.execute(sql`select 1`);
    });
    const outcomes = Promise.allSettled([inQuery, between]);
    await sleep(300);
    await terminate('true');
    for (const outcome of await outcomes)
      expect(outcome).toMatchObject({ status: 'rejected', reason: unavailable });
    await expect(createRepositories(pool).tenants.exists(LOCAL_TENANT_ID)).resolves.toBe(true);
    await pool.end();
  });

  test('a writer whose connections are ended again and again loses and doubles nothing', async () => {
    const { repositories } = database;
    const runId = await acceptedRun(repositories);
    let done = false;
    const killer = (async () => {
      while (!done) {
        await terminate('true');
        await sleep(20);
      }
    })();
    for (let index = 0; index < 100; index += 1) {
      for (let told = false; !told;) {
        told = await repositories.events.append(LOCAL_TENANT_ID, runId, [aDecision(`${index}`)]).then(
          () => true,
          (error: unknown) => {
            expect(error).toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
            return false;
          },
        );
      }
    }
    done = true;
    await killer;
    const events = await story(repositories, runId);
    expect(events.slice(2).map(({ key }) => key)).toEqual(
      Array.from({ length: 100 }, (_, index) => `${index}`),
    );
  });

  test('an unreachable server is an error of one line that may be tried again', async () => {
    const url = new URL(database.appUrl);
    for (const host of ['127.0.0.1', 'localhost']) {
      url.hostname = host;
      url.port = '1';
      const pool = aPool(url.href);
      const { agents, events } = createRepositories(pool);
      for (const call of [() => agents.list(), () => events.append(LOCAL_TENANT_ID, aRun().runId, [])]) {
        const failure = await call().catch((error: unknown) => error);
        expect(failure).toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
        expect(String(failure)).toMatch(/^AppError: PostgreSQL is not available: .+$/);
      }
      await pool.end();
    }
  });

  test('a wrong password is said without saying it', async () => {
    const url = new URL(database.appUrl);
    url.password = 'falsch';
    const pool = aPool(url.href);
    const failure = await createRepositories(pool)
      .agents.list()
      .catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
    expect(String(failure)).toContain('password authentication failed');
    expect(String(failure)).not.toContain('falsch');
    await pool.end();
  });

  test('what the caller throws inside the door comes out as it is, and nothing was written', async () => {
    const mine = new TypeError('mine');
    const name = 'never kept';
    await expect(
      withTenant(database.pool, LOCAL_TENANT_ID, async (tx) => {
        await tx.execute(sql`update ensemble.runs set status = status`);
        await tx.execute(sql`insert into ensemble.projects (tenant_id, id, name)
          values (${LOCAL_TENANT_ID}, ${aRun().runId}, ${name})`);
        throw mine;
      }),
    ).rejects.toBe(mine);
    const { rows } = await database.admin.query('select from ensemble.projects where name = $1', [name]);
    expect(rows).toEqual([]);
  });
});
