import { sql } from 'drizzle-orm';
import { uuidv7 } from 'uuidv7';
import { createPool } from '../../src/db/pool';
import type { UnfinishedRun, UnfinishedTurn } from '../../src/db/repositories/system';
import { withSystem, withTenant } from '../../src/db/tenant-door';
import { LOCAL_TENANT_ID } from '../../src/protocol/run';
import { useDatabase } from './support/database';
import { acceptedRun, anEnd, anOpening, aRun, opened } from './support/samples';

const OTHER_TABLES = [
  'tenants',
  'projects',
  'agent_runs',
  'agent_run_attempts',
  'agent_messages',
  'run_events',
  'blobs',
];
const TURN: UnfinishedTurn = { olderThanMs: 0, everyMs: 0, limit: 100 };

describe('the system door', () => {
  const database = useDatabase();

  /** A tenant with one run under way and one that has ended. */
  async function anotherTenant(): Promise<{ tenantId: string; running: string; ended: string }> {
    const { repositories } = database;
    const tenantId = await repositories.tenants.create('another');
    const projectId = await repositories.projects.create(tenantId, 'secret');
    const { runId: running } = await repositories.runs.create(tenantId, aRun({ projectId }));
    await opened(repositories, anOpening(running), tenantId);
    const { runId: ended } = await repositories.runs.create(tenantId, aRun({ projectId }));
    await repositories.runs.finish(tenantId, anEnd(ended));
    return { tenantId, running, ended };
  }

  const audited = async (tenantId: string | null) =>
    (
      await database.admin.query(
        'select purpose, actor, detail from ensemble.audit_log where tenant_id is not distinct from $1',
        [tenantId],
      )
    ).rows;

  test('shows unfinished runs of every tenant, and nothing else of anybody', async () => {
    const { running, ended } = await anotherTenant();
    const local = await acceptedRun(database.repositories);
    await withSystem(database.pool, 'reconcile', async (tx) => {
      const { rows } = await tx.execute(sql`select id from ensemble.runs`);
      const ids = rows.map((row) => row['id']);
      expect(ids).toEqual(expect.arrayContaining([running, local]));
      expect(ids).not.toContain(ended);
      for (const table of OTHER_TABLES) {
        const found = await tx.execute(sql.raw(`select from ensemble.${table}`));
        expect([table, found.rowCount]).toEqual([table, 0]);
      }
    });
  });

  test('changes no run, makes none, and locks none', async () => {
    const { tenantId, running } = await anotherTenant();
    const within = (statement: string) =>
      withSystem(database.pool, 'reconcile', (tx) => tx.execute(sql.raw(statement)));
    const changed = await within(`update ensemble.runs set status = status where id = '${running}'`);
    const locked = await within(`select from ensemble.runs where id = '${running}' for no key update`);
    expect([changed.rowCount, locked.rowCount]).toEqual([0, 0]);
    await expect(
      within(
        `insert into ensemble.projects (tenant_id, id, name) values ('${tenantId}', '${uuidv7()}', 'x')`,
      ),
    ).rejects.toThrow('row-level security');
    await expect(within(`delete from ensemble.runs`)).rejects.toThrow('permission denied');
  });

  test('cannot be opened from inside a tenant, nor for a purpose that has no rules', async () => {
    const { tenantId, running } = await anotherTenant();
    const seen = await withTenant(database.pool, LOCAL_TENANT_ID, async (tx) => {
      await tx.execute(sql`select set_config('app.system', 'reconcile', true)`);
      const { rows } = await tx.execute(sql`select distinct tenant_id from ensemble.runs`);
      const jobs = await tx.execute(sql`select from ensemble.system_jobs`);
      return [...rows.map((row) => row['tenant_id']), jobs.rowCount];
    });
    expect(seen.filter((id) => id !== LOCAL_TENANT_ID)).toEqual([0]);
    await withSystem(database.pool, 'reconcile', async (tx) => {
      await tx.execute(sql`select set_config('app.system', 'curiosity', true)`);
      for (const table of ['runs', 'system_jobs', 'audit_log']) {
        const found = await tx.execute(sql.raw(`select from ensemble.${table}`));
        expect([table, found.rowCount]).toEqual([table, 0]);
      }
    });
    // The other way round: who enters a tenant has left the door.
    await withSystem(database.pool, 'reconcile', async (tx) => {
      await tx.execute(sql`select ensemble.enter_tenant(${tenantId}::uuid)`);
      const { rows } = await tx.execute(sql`select id from ensemble.runs where status = 'running'`);
      expect(rows).toEqual([{ id: running }]);
    });
  });

  test('is closed without it, and leaves nothing open on a connection', async () => {
    await anotherTenant();
    await database.repositories.system.audit('reconcile', [{ tenantId: null, actor: 'a', detail: {} }]);
    const pool = createPool(database.appUrl, {
      size: 1,
      applicationName: 'ensemble-test',
      onError: () => {},
    });
    await withTenant(pool, LOCAL_TENANT_ID, async () => {});
    await withSystem(pool, 'reconcile', async (tx) => {
      expect((await tx.execute(sql`select from ensemble.system_jobs`)).rowCount).toBe(1);
    });
    const failing = withSystem(pool, 'reconcile', () => Promise.reject(new Error('thrown on purpose')));
    await expect(failing).rejects.toThrow('on purpose');
    for (const table of ['runs', 'audit_log', 'system_jobs']) {
      const { rowCount } = await pool.query(`select from ensemble.${table}`);
      expect([table, rowCount]).toEqual([table, 0]);
    }
    await pool.end();
  });

  test('an audit row is read by its tenant and the purpose it was written for, and stays as it is', async () => {
    const { tenantId } = await anotherTenant();
    const entry = { tenantId, actor: 'worker-1', detail: { runs: [] } };
    await database.repositories.system.audit('reconcile', [entry]);
    await database.repositories.system.audit('reconcile', []);
    expect(await audited(tenantId)).toEqual([
      { purpose: 'reconcile', actor: 'worker-1', detail: { runs: [] } },
    ]);
    const readers = [tenantId, LOCAL_TENANT_ID].map((reader) =>
      withTenant(database.pool, reader, async (tx) => {
        const { rows } = await tx.execute(sql`select distinct tenant_id from ensemble.audit_log`);
        return rows.map((row) => row['tenant_id']);
      }),
    );
    expect(await Promise.all(readers)).toEqual([[tenantId], []]);
    for (const change of [
      `update ensemble.audit_log set actor = 'x'`,
      'delete from ensemble.audit_log',
      'truncate ensemble.audit_log',
    ])
      await expect(
        withSystem(database.pool, 'reconcile', (tx) => tx.execute(sql.raw(change))),
      ).rejects.toThrow('permission denied');
    const forged = `insert into ensemble.audit_log (id, tenant_id, purpose, actor, detail)
      values ('${uuidv7()}', '${tenantId}', 'reconcile', 'forged', '{}')`;
    await expect(
      withTenant(database.pool, LOCAL_TENANT_ID, (tx) => tx.execute(sql.raw(forged))),
    ).rejects.toThrow('row-level security');
    await expect(database.pool.query(forged)).rejects.toThrow('row-level security');
  });
});

describe('turns of the reconciler', () => {
  const database = useDatabase();
  const take = (turn: Partial<UnfinishedTurn> = {}) =>
    database.repositories.system.takeUnfinished({ ...TURN, ...turn });
  const ids = (runs: readonly UnfinishedRun[]) => runs.map(({ runId }) => runId);

  test('go round all unfinished runs, oldest first, queued and running ones each at their own pace', async () => {
    const { repositories } = database;
    const queued: string[] = [];
    const running: string[] = [];
    for (let index = 0; index < 5; index += 1) queued.push(await acceptedRun(repositories));
    for (let index = 0; index < 3; index += 1) {
      const { runId } = await opened(repositories, anOpening(await acceptedRun(repositories)));
      running.push(runId);
    }
    expect(ids(await take({ limit: 2 }))).toEqual([...queued.slice(0, 2), ...running.slice(0, 2)]);
    expect(ids(await take({ limit: 2 }))).toEqual([...queued.slice(2, 4), ...running.slice(2)]);
    expect(ids(await take({ limit: 2 }))).toEqual([...queued.slice(4), ...running.slice(0, 2)]);
    // A page that is exactly full does not know that it was the last one; the next one is empty, and starts over.
    expect(ids(await take({ limit: 5 }))).toEqual([...queued, ...running.slice(2)]);
    expect(ids(await take({ limit: 5 }))).toEqual(running);
    expect(ids(await take({ limit: 5 }))).toEqual([...queued, ...running]);
    expect(await take({ olderThanMs: 60_000 })).toEqual([]);
  });

  test('are one at a time and no sooner than the pace says, however many ask', async () => {
    await acceptedRun(database.repositories);
    await take();
    const turns = await Promise.all(Array.from({ length: 8 }, () => take({ everyMs: 60_000 })));
    expect(turns.flat()).toEqual([]);
    await database.admin.query("update ensemble.system_jobs set taken_at = now() - interval '61 s'");
    const due = await Promise.all(Array.from({ length: 8 }, () => take({ everyMs: 60_000 })));
    expect(due.filter((runs) => runs.length > 0)).toHaveLength(1);
  });

  test('begin at the oldest run where the position cannot be read', async () => {
    const runId = await acceptedRun(database.repositories);
    await database.admin.query(`update ensemble.system_jobs set position = '{"queued": "nonsense"}'`);
    expect(ids(await take())).toContain(runId);
  });
});
