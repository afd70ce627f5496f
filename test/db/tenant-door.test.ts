import { sql } from 'drizzle-orm';
import { uuidv7 } from 'uuidv7';
import { createRouteMessages } from '../../src/activities/route-messages';
import { assertSafeRole } from '../../src/db/migrate';
import { createPool } from '../../src/db/pool';
import { withTenant } from '../../src/db/tenant-door';
import { NO_USAGE } from '../../src/core/usage';
import { SUBSCRIBE } from '../../src/protocol/message';
import { LOCAL_TENANT_ID } from '../../src/protocol/run';
import { createLogger } from '../../src/telemetry/log';
import { note, signedBatch } from '../bus/support/bus';
import { useDatabase } from './support/database';
import {
  acceptedRun,
  aClosing,
  aDecision,
  aDefinition,
  aModelCall,
  anEnd,
  anOpening,
  aRun,
  aSettlement,
  aTokenChunk,
  aToolCall,
  opened,
  type Opened,
  plot,
  story,
} from './support/samples';

const TENANT_TABLES = [
  'tenants',
  'projects',
  'runs',
  'agent_runs',
  'agent_run_attempts',
  'buses',
  'publishers',
  'agent_messages',
  'deliveries',
  'mailboxes',
  'subscriptions',
  'dead_letters',
  'message_waits',
  'run_events',
  'blobs',
  'tool_calls',
  'journal_entries',
  'model_calls',
  'token_streams',
  'token_chunks',
  'agent_definitions',
  'plans',
];

/** A message that arrives, one that cannot, and a subscription: rows in every table of the bus. */
const SAID = [
  note('secret', { to: 'writer' }),
  note('secret', { to: 'nobody' }),
  { type: SUBSCRIBE, content: { topic: 'secrets.#' } },
];

describe('the tenant door', () => {
  const database = useDatabase();

  /** Writes into every table of the ledger. */
  async function leaveTraces(attempt: Opened, tenantId: string): Promise<void> {
    const { toolCalls, journal, modelCalls, tokens } = database.repositories;
    await toolCalls.begin(tenantId, aToolCall(attempt));
    await journal.append(tenantId, { ...attempt, seq: 1, entry: { inline: 'secret' } });
    await modelCalls.record(tenantId, aModelCall(attempt));
    await tokens.append(tenantId, [aTokenChunk(attempt)]);
  }

  /** A tenant with a project, a run that waits for a retry, an agent run, events and a blob. */
  async function anotherTenant(): Promise<{ tenantId: string; runId: string; agentRunId: string }> {
    const { repositories } = database;
    const tenantId = await repositories.tenants.create('another');
    const projectId = await repositories.projects.create(tenantId, 'secret');
    const { runId } = await repositories.runs.create(tenantId, aRun({ projectId }));
    const attempt = await opened(repositories, anOpening(runId), tenantId);
    await repositories.agentRuns.failAttempt(tenantId, {
      ...attempt,
      failure: { code: 'AGENT_FAILED', message: 'secret' },
      willRetry: true,
    });
    const second = anOpening(runId, { activityAttempt: 2, tokenHash: 'token-2' });
    await leaveTraces(await opened(repositories, second, tenantId), tenantId);
    await repositories.blobs.put(tenantId, Buffer.from('secret'), 'text/plain');
    await repositories.agentDefinitions.save(tenantId, aDefinition('secret'));
    await repositories.plans.save({ tenantId, projectId }, 'secret', aRun().plan);
    const said = { publisher: attempt.agentRunId, attempt: 2, from: 1, items: SAID };
    const log = createLogger({ level: 'silent', format: 'json' });
    await createRouteMessages({ repositories, log })({ tenantId, runId }, signedBatch('token-2', said));
    const looking = { tenantId, runId, address: '9', wanted: { type: 'command' }, after: 0 };
    await repositories.messages.lookFor({ ...looking, untilMs: Date.now() + 600_000 }, async () => undefined);
    return { tenantId, runId, agentRunId: attempt.agentRunId };
  }

  test('the application’s login is no superuser, bypasses nothing and owns nothing', async () => {
    const { rows } = await database.pool.query(`
      select rolsuper, rolbypassrls, rolcreaterole, rolcreatedb,
        (select count(*)::int from pg_class where relowner = r.oid) as tables,
        (select count(*)::int from pg_proc where proowner = r.oid) as functions
      from pg_roles r where rolname = current_user`);
    expect(rows).toEqual([
      {
        rolsuper: false,
        rolbypassrls: false,
        rolcreaterole: false,
        rolcreatedb: false,
        tables: 0,
        functions: 0,
      },
    ]);
    await expect(assertSafeRole(database.pool)).resolves.toBeUndefined();
  });

  test('a login that row-level security does not bind is refused', async () => {
    await expect(assertSafeRole(database.admin)).rejects.toMatchObject({ code: 'DATABASE_ROLE_UNSAFE' });
  });

  test('without the door there are no rows, in any table', async () => {
    const { tenantId } = await anotherTenant();
    const { rows: all } = await database.admin.query('select from ensemble.runs where tenant_id = $1', [
      tenantId,
    ]);
    expect(all).toHaveLength(1);
    for (const table of TENANT_TABLES) {
      const { rows } = await database.pool.query(`select count(*)::int as count from ensemble.${table}`);
      expect([table, rows]).toEqual([table, [{ count: 0 }]]);
    }
  });

  test('inside the door there are the tenant’s own rows only', async () => {
    const { tenantId } = await anotherTenant();
    await acceptedRun(database.repositories);
    for (const table of TENANT_TABLES) {
      const key = table === 'tenants' ? 'id' : 'tenant_id';
      const { rows } = await withTenant(database.pool, tenantId, (tx) =>
        tx.execute(sql.raw(`select distinct ${key}::text as tenant from ensemble.${table}`)),
      );
      expect([table, rows]).toEqual([table, [{ tenant: tenantId }]]);
    }
  });

  test('rows of another tenant can be neither written nor taken over', async () => {
    const { tenantId, runId } = await anotherTenant();
    const asLocal = (statement: string) =>
      withTenant(database.pool, LOCAL_TENANT_ID, (tx) => tx.execute(sql.raw(statement)));
    await expect(
      asLocal(
        `insert into ensemble.projects (tenant_id, id, name) values ('${tenantId}', '${uuidv7()}', 'x')`,
      ),
    ).rejects.toMatchObject({ message: expect.stringContaining('row-level security') });
    const changed = await asLocal(`update ensemble.runs set status = status where id = '${runId}'`);
    expect(changed.rowCount).toBe(0);
    await acceptedRun(database.repositories);
    await expect(asLocal(`update ensemble.runs set tenant_id = '${tenantId}'`)).rejects.toThrow(
      'row-level security',
    );
    await expect(
      asLocal(`insert into ensemble.run_events (tenant_id, run_id, seq, key, type, data)
        values ('${LOCAL_TENANT_ID}', '${runId}', 9, 'k', 'run.started', '{}')`),
    ).rejects.toThrow('foreign key');
  });

  test('every function and repository treats another tenant’s run as one that does not exist', async () => {
    const { repositories } = database;
    const { tenantId, runId, agentRunId } = await anotherTenant();
    const before = await story(repositories, runId, tenantId);
    const unknown = { code: 'RUN_UNKNOWN' };
    const { runs, agentRuns, events } = repositories;
    const attempt = { runId, agentRunId, attempt: 2, tokenHash: 'token-2' };

    await expect(agentRuns.open(LOCAL_TENANT_ID, anOpening(runId))).rejects.toMatchObject(unknown);
    await expect(agentRuns.settle(LOCAL_TENANT_ID, aSettlement(runId))).rejects.toMatchObject(unknown);
    await expect(runs.finish(LOCAL_TENANT_ID, anEnd(runId))).rejects.toMatchObject(unknown);
    await expect(events.append(LOCAL_TENANT_ID, runId, [aDecision('d')])).rejects.toMatchObject(unknown);
    await expect(agentRuns.close(LOCAL_TENANT_ID, aClosing(attempt))).resolves.toEqual({ outcome: 'fenced' });
    const failure = { code: 'AGENT_FAILED', message: 'x' } as const;
    await expect(
      agentRuns.failAttempt(LOCAL_TENANT_ID, { ...attempt, failure, willRetry: false }),
    ).resolves.toEqual({ outcome: 'fenced' });
    const { toolCalls, journal, modelCalls, tokens, messages } = repositories;
    expect(await messages.history(LOCAL_TENANT_ID, runId, { after: 0, limit: 10 })).toEqual([]);
    const reading = { runId, member: 'writer', seqs: [1] };
    expect(await messages.consume(LOCAL_TENANT_ID, reading)).toEqual({ outcome: 'consumed', count: 0 });
    expect(await messages.consume(LOCAL_TENANT_ID, { ...reading, attempt })).toEqual({ outcome: 'fenced' });
    await expect(messages.redrive(LOCAL_TENANT_ID, runId, { nos: [1] })).rejects.toMatchObject(unknown);
    await expect(messages.configure(LOCAL_TENANT_ID, runId, {})).rejects.toMatchObject(unknown);
    const letters = messages.deadLetters(LOCAL_TENANT_ID, runId, { after: 0, limit: 10 });
    await expect(letters).rejects.toMatchObject(unknown);
    const call = aToolCall(attempt, { key: 'b'.repeat(64) });
    const end = { ...call, result: { inline: 'taken' }, failure: null } as const;
    const verdict = {
      runId,
      key: aToolCall(attempt).key,
      by: 'us',
      result: { inline: 1 },
      failure: null,
    } as const;
    const entry = { ...attempt, seq: 2, entry: { inline: 'ours' } };
    expect(await toolCalls.begin(LOCAL_TENANT_ID, call)).toEqual({ outcome: 'fenced' });
    expect(await toolCalls.end(LOCAL_TENANT_ID, end)).toEqual({ outcome: 'fenced' });
    expect(await toolCalls.doubt(LOCAL_TENANT_ID, call)).toEqual({ outcome: 'fenced' });
    await expect(toolCalls.resolve(LOCAL_TENANT_ID, verdict)).rejects.toMatchObject(unknown);
    expect(await toolCalls.list(LOCAL_TENANT_ID, runId)).toEqual([]);
    expect(await journal.append(LOCAL_TENANT_ID, entry)).toBe('fenced');
    expect(await journal.read(LOCAL_TENANT_ID, attempt)).toEqual([]);
    await expect(modelCalls.record(LOCAL_TENANT_ID, aModelCall(attempt))).rejects.toMatchObject(unknown);
    expect(await modelCalls.ofRun(LOCAL_TENANT_ID, runId)).toEqual([]);
    expect(await modelCalls.usageOf(LOCAL_TENANT_ID, runId)).toEqual(NO_USAGE);
    expect(await tokens.append(LOCAL_TENANT_ID, [aTokenChunk(attempt, { ordinal: 2 })])).toBe(0);
    expect(await tokens.after(LOCAL_TENANT_ID, runId, { afterSeq: 0, limit: 10 })).toEqual([]);
    expect(await tokens.expire(LOCAL_TENANT_ID, [runId], 0)).toBe(0);
    await expect(runs.find(LOCAL_TENANT_ID, runId)).resolves.toBeUndefined();
    await expect(agentRuns.outputOf(LOCAL_TENANT_ID, runId, '0')).resolves.toBeUndefined();
    await expect(agentRuns.listByRun(LOCAL_TENANT_ID, runId)).resolves.toEqual([]);
    await expect(story(repositories, runId)).resolves.toEqual([]);
    expect(await story(repositories, runId, tenantId)).toEqual(before);
  });

  test('a project of another tenant is unknown, and the same idempotency key is another one', async () => {
    const { repositories } = database;
    const tenantId = await repositories.tenants.create('third');
    const projectId = await repositories.projects.create(tenantId, 'theirs');
    await expect(repositories.runs.create(LOCAL_TENANT_ID, aRun({ projectId }))).rejects.toMatchObject({
      code: 'PROJECT_UNKNOWN',
    });
    const theirs = await repositories.runs.create(tenantId, aRun({ projectId, idempotencyKey: 'shared' }));
    const ours = await repositories.runs.create(
      LOCAL_TENANT_ID,
      aRun({ idempotencyKey: 'shared', requestHash: 'b' }),
    );
    expect([theirs.created, ours.created]).toEqual([true, true]);
  });

  test('a function cannot leave the tenant that its transaction is in', async () => {
    const { tenantId, runId } = await anotherTenant();
    const events = JSON.stringify({ runId, events: [aDecision('smuggled')] });
    await expect(
      withTenant(database.pool, LOCAL_TENANT_ID, (tx) =>
        tx.execute(sql`select ensemble.append_run_events(${tenantId}::uuid, ${events}::jsonb)`),
      ),
    ).rejects.toThrow('another tenant');
  });

  test('no tenant stays on a connection, whatever happened in its transaction', async () => {
    const pool = createPool(database.appUrl, {
      size: 2,
      applicationName: 'ensemble-test',
      onError: () => {},
    });
    const { repositories } = database;
    const tenants = await Promise.all(['a', 'b', 'c', 'd'].map((name) => repositories.tenants.create(name)));
    const foreign: unknown[] = [];
    await Promise.all(
      Array.from({ length: 400 }, async (_, index) => {
        const tenantId = tenants[index % tenants.length] ?? '';
        const work = withTenant(pool, tenantId, async (tx) => {
          const { rows } = await tx.execute(sql`select id from ensemble.tenants`);
          foreign.push(...rows.filter((row) => row['id'] !== tenantId));
          if (index % 5 === 1) throw new Error('thrown on purpose');
          if (index % 5 === 2) await tx.execute(sql`select 1 / 0`);
          return rows.length;
        });
        const seen = await work.catch(() => 'failed');
        const { rows } = await pool.query('select count(*)::int as count from ensemble.tenants');
        foreign.push(...rows.filter((row) => row.count !== 0));
        expect(seen).toBe(index % 5 === 1 || index % 5 === 2 ? 'failed' : 1);
      }),
    );
    await pool.end();
    expect(foreign).toEqual([]);
  });

  test('deleting a run deletes all of it, and deleting a tenant all of the tenant', async () => {
    const { tenantId, runId } = await anotherTenant();
    const left = async (table: string, column: string, id: string) =>
      (await database.admin.query(`select from ensemble.${table} where ${column} = $1`, [id])).rowCount;
    await expect(database.pool.query('delete from ensemble.runs')).rejects.toThrow('permission denied');
    await database.admin.query('delete from ensemble.runs where id = $1', [runId]);
    for (const table of [
      'agent_runs',
      'buses',
      'publishers',
      'agent_messages',
      'deliveries',
      'mailboxes',
      'subscriptions',
      'dead_letters',
      'message_waits',
      'run_events',
      'tool_calls',
      'model_calls',
      'token_chunks',
    ])
      expect([table, await left(table, 'run_id', runId)]).toEqual([table, 0]);
    for (const table of ['agent_run_attempts', 'journal_entries', 'token_streams'])
      expect([table, await left(table, 'tenant_id', tenantId)]).toEqual([table, 0]);
    await database.admin.query('delete from ensemble.tenants where id = $1', [tenantId]);
    for (const table of ['projects', 'blobs', 'runs'])
      expect([table, await left(table, 'tenant_id', tenantId)]).toEqual([table, 0]);
    expect(await plot(database.repositories, runId)).toEqual([]);
  });
});
