import { createHash } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { withTenant } from '../../src/db/tenant-door';
import type { Json } from '../../src/protocol/json';
import { LIMITS } from '../../src/protocol/limits';
import { LOCAL_TENANT_ID } from '../../src/protocol/run';
import { useDatabase } from './support/database';
import { acceptedRun, aDecision, anOpening, aRun } from './support/samples';

describe('stored values', () => {
  const database = useDatabase();

  test('the same bytes are kept once per tenant, and come back as they were', async () => {
    const { blobs, tenants } = database.repositories;
    const bytes = Buffer.from([0, 255, 1, 254, 0]);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const refs = await Promise.all(
      Array.from({ length: 10 }, () => blobs.put(LOCAL_TENANT_ID, bytes, 'application/octet-stream')),
    );
    const ref = { blob: sha256, bytes: 5, mediaType: 'application/octet-stream' };
    for (const stored of refs) expect(stored).toEqual(ref);
    expect(await blobs.get(LOCAL_TENANT_ID, ref)).toEqual(bytes);

    const other = await tenants.create('other');
    await expect(blobs.get(other, ref)).rejects.toMatchObject({ code: 'INPUT_UNREADABLE' });
    await blobs.put(other, bytes, 'text/plain');
    const { rows } = await database.admin.query('select from ensemble.blobs where sha256 = $1', [sha256]);
    expect(rows).toHaveLength(2);
  });

  test('bytes that are not those of their reference are not handed out', async () => {
    const { blobs } = database.repositories;
    const ref = await blobs.put(LOCAL_TENANT_ID, Buffer.from('true'), 'application/json');
    await database.admin.query("update ensemble.blobs set data = 'lies' where sha256 = $1", [ref.blob]);
    await expect(blobs.get(LOCAL_TENANT_ID, ref)).rejects.toMatchObject({ code: 'INPUT_UNREADABLE' });
  });

  test('a blob may be as large as the limit, and no larger', async () => {
    const { blobs } = database.repositories;
    const largest = Buffer.alloc(LIMITS.blobBytes, 'x');
    const ref = await blobs.put(LOCAL_TENANT_ID, largest, 'text/plain');
    expect((await blobs.get(LOCAL_TENANT_ID, ref)).equals(largest)).toBe(true);
    await expect(
      blobs.put(LOCAL_TENANT_ID, Buffer.alloc(LIMITS.blobBytes + 1), 'text/plain'),
    ).rejects.toMatchObject({ code: 'INPUT_TOO_LARGE', message: expect.stringContaining('blobBytes') });
  });

  test('a view into a larger buffer stores its own bytes only', async () => {
    const { blobs } = database.repositories;
    const view = new Uint8Array(Buffer.from('before|mine|after')).subarray(7, 11);
    const ref = await blobs.put(LOCAL_TENANT_ID, view, 'text/plain');
    expect((await blobs.get(LOCAL_TENANT_ID, ref)).toString()).toBe('mine');
  });

  test('small JSON stays inline, large JSON becomes a blob, and both load', async () => {
    const { values } = database.repositories;
    const small = { text: 'ü', list: [1, null, true] };
    const exact = 'x'.repeat(LIMITS.inlineValueBytes - 2);
    const large = { text: 'ü'.repeat(LIMITS.inlineValueBytes), nothing: '\u0000' };
    await expect(values.store(LOCAL_TENANT_ID, small)).resolves.toEqual({ inline: small });
    await expect(values.store(LOCAL_TENANT_ID, exact)).resolves.toEqual({ inline: exact });
    const stored = await values.store(LOCAL_TENANT_ID, large);
    expect(stored).toMatchObject({ ref: { mediaType: 'application/json' } });
    await expect(values.load(LOCAL_TENANT_ID, stored)).resolves.toEqual(large);
    await expect(values.load(LOCAL_TENANT_ID, { inline: small })).resolves.toEqual(small);
  });

  test('records and lists of values load with every reference in them resolved', async () => {
    const { values } = database.repositories;
    const text = 'y'.repeat(LIMITS.inlineValueBytes);
    const stored = await values.store(LOCAL_TENANT_ID, text);
    const list = { list: [stored, { inline: 1 }, { record: { deep: stored } }] };
    const loaded = await values.load(LOCAL_TENANT_ID, { record: { list, empty: { record: {} } } });
    expect(loaded).toEqual({ list: [text, 1, { deep: text }], empty: {} });
  });

  test('a reference that holds no JSON is unreadable as a value', async () => {
    const { blobs, values } = database.repositories;
    for (const bytes of [Buffer.from('{'), Buffer.from([0xff, 0xfe])]) {
      const ref = await blobs.put(LOCAL_TENANT_ID, bytes, 'application/json');
      await expect(values.load(LOCAL_TENANT_ID, { ref })).rejects.toMatchObject({ code: 'INPUT_UNREADABLE' });
    }
  });

  test('what PostgreSQL cannot hold is refused as bad input, everywhere', async () => {
    const { runs, events, agentRuns, tenants } = database.repositories;
    const invalid = { code: 'INPUT_INVALID' };
    const runId = await acceptedRun(database.repositories);
    await expect(runs.create(LOCAL_TENANT_ID, aRun({ task: { inline: 'a\u0000b' } }))).rejects.toMatchObject(
      invalid,
    );
    await expect(runs.create(LOCAL_TENANT_ID, aRun({ idempotencyKey: '\u0000' }))).rejects.toMatchObject(
      invalid,
    );
    await expect(runs.create(LOCAL_TENANT_ID, aRun({ task: { inline: '\ud800' } }))).rejects.toMatchObject(
      invalid,
    );
    await expect(runs.find(LOCAL_TENANT_ID, 'no-uuid')).rejects.toMatchObject(invalid);
    await expect(runs.find('no-uuid', runId)).rejects.toMatchObject(invalid);
    await expect(tenants.create('a\u0000b')).rejects.toMatchObject(invalid);
    await expect(events.append(LOCAL_TENANT_ID, runId, [aDecision('\u0000')])).rejects.toMatchObject(invalid);
    await expect(
      agentRuns.open(LOCAL_TENANT_ID, anOpening(runId, { worker: '\u0000' })),
    ).rejects.toMatchObject(invalid);
  });

  test('what is nested too deep is too large, for JavaScript and for PostgreSQL', async () => {
    const tooLarge = { code: 'INPUT_TOO_LARGE' };
    const text = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
    await expect(
      withTenant(database.pool, LOCAL_TENANT_ID, (tx) => tx.execute(sql`select ${text}::jsonb`)),
    ).rejects.toMatchObject(tooLarge);
    const deep: Json = JSON.parse(text);
    const { values, runs } = database.repositories;
    await expect(values.store(LOCAL_TENANT_ID, deep)).rejects.toMatchObject(tooLarge);
    await expect(runs.create(LOCAL_TENANT_ID, aRun({ task: { inline: deep } }))).rejects.toMatchObject(
      tooLarge,
    );
  });
});

describe('the catalogue of agents', () => {
  const database = useDatabase();
  const agent = {
    name: 'writer',
    version: '1.0.0',
    agentType: 'custom',
    capabilities: ['text'],
    manifest: { description: 'writes', limits: { timeoutMs: 1000 } },
  };

  test('an agent loaded again is only seen again; a changed one is replaced', async () => {
    const { agents } = database.repositories;
    const row = async () =>
      (await database.admin.query('select updated_at, last_seen_at from ensemble.agents')).rows[0];
    await agents.upsert(agent);
    const first = await row();
    await agents.upsert(agent);
    const second = await row();
    expect(second.updated_at).toEqual(first.updated_at);
    expect(second.last_seen_at > first.last_seen_at).toBe(true);

    const changed = { ...agent, capabilities: ['text', 'poetry'] };
    await agents.upsert(changed);
    expect((await row()).updated_at > first.updated_at).toBe(true);
    await agents.upsert({ ...agent, version: '1.1.0' });
    await expect(agents.list()).resolves.toEqual([
      { ...changed, lastSeenAt: expect.any(String) },
      { ...agent, version: '1.1.0', lastSeenAt: expect.any(String) },
    ]);
  });

  test('workers that start together register the same agents without standing in each other’s way', async () => {
    const { agents } = database.repositories;
    const loaded = Array.from({ length: 10 }, (_, index) => ({ ...agent, name: `agent-${index}` }));
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        for (const each of loaded) await agents.upsert(each);
      }),
    );
    const names = (await agents.list()).map(({ name }) => name);
    expect(names.filter((name) => name.startsWith('agent-'))).toHaveLength(10);
  });
});
