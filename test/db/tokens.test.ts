import { LOCAL_TENANT_ID } from '../../src/protocol/run';
import { useDatabase } from './support/database';
import { acceptedRun, anEnd, anOpening, aRun, aTokenChunk, opened, type Opened } from './support/samples';

describe('the token stream', () => {
  const database = useDatabase();
  const tokens = () => database.repositories.tokens;
  const begun = async (address = '0', runId?: string): Promise<Opened> => {
    const { repositories } = database;
    return opened(repositories, anOpening(runId ?? (await acceptedRun(repositories)), { address }));
  };
  const read = (runId: string, afterSeq = 0, limit = 1_000) =>
    tokens().after(LOCAL_TENANT_ID, runId, { afterSeq, limit });

  test('pieces are read in order from any cursor, with whose they are', async () => {
    const attempt = await begun();
    const tool = { id: 'call-1', name: 'search' };
    const chunks = [
      aTokenChunk(attempt, { text: 'Hello ' }),
      aTokenChunk(attempt, { ordinal: 2, text: 'world' }),
      aTokenChunk(attempt, { ordinal: 3, kind: 'tool-call', text: '{}', tool }),
    ];
    expect(await tokens().append(LOCAL_TENANT_ID, chunks.slice(0, 2))).toBe(2);
    expect(await tokens().append(LOCAL_TENANT_ID, chunks.slice(2))).toBe(1);
    const all = await read(attempt.runId);
    expect(all).toMatchObject([
      { text: 'Hello ', kind: 'text', call: 1, attempt: 1, address: '0', agent: 'writer', tool: null },
      { text: 'world' },
      { kind: 'tool-call', text: '{}', tool },
    ]);
    for (const [index, { seq }] of all.entries())
      expect(await read(attempt.runId, seq)).toEqual(all.slice(index + 1));
    expect(await read(attempt.runId, 0, 1)).toEqual(all.slice(0, 1));
  });

  test('a batch sent twice is stored once', async () => {
    const attempt = await begun();
    const chunks = [aTokenChunk(attempt), aTokenChunk(attempt, { ordinal: 2, kind: 'end', text: '' })];
    expect(await tokens().append(LOCAL_TENANT_ID, chunks)).toBe(2);
    expect(await tokens().append(LOCAL_TENANT_ID, chunks)).toBe(0);
    expect((await read(attempt.runId)).map(({ kind }) => kind)).toEqual(['text', 'end']);
  });

  test('what comes from an attempt that is over, or after the run’s end, is not stored', async () => {
    const { repositories } = database;
    const first = await begun();
    const second = await opened(
      repositories,
      anOpening(first.runId, { activityAttempt: 2, tokenHash: 'token-2' }),
    );
    expect(await tokens().append(LOCAL_TENANT_ID, [aTokenChunk(first), aTokenChunk(second)])).toBe(1);
    await repositories.agentRuns.failAttempt(LOCAL_TENANT_ID, {
      ...second,
      failure: { code: 'AGENT_FAILED', message: 'x' },
      willRetry: true,
    });
    expect(await tokens().append(LOCAL_TENANT_ID, [aTokenChunk(second, { ordinal: 2 })])).toBe(0);
    await repositories.runs.finish(LOCAL_TENANT_ID, anEnd(first.runId));
    expect(await tokens().append(LOCAL_TENANT_ID, [aTokenChunk(second, { ordinal: 3 })])).toBe(0);
    expect(await read(first.runId)).toMatchObject([{ attempt: 2 }]);
  });

  test('many processes that write streams of the same runs at once: every reader sees each piece once, in order', async () => {
    const runs = await Promise.all(Array.from({ length: 4 }, () => acceptedRun(database.repositories)));
    const attempts = await Promise.all(
      runs.flatMap((runId) => ['0', '1', '2'].map((address) => begun(address, runId))),
    );
    let writing = true;
    const seen = new Map<string, number[]>(runs.map((runId) => [runId, []]));
    const reader = async (runId: string): Promise<void> => {
      for (let cursor = 0; ;) {
        const last = !writing;
        for (const { seq } of await read(runId, cursor, 7)) {
          seen.get(runId)?.push(seq);
          cursor = seq;
        }
        if (last && (await read(runId, cursor)).length === 0) return;
      }
    };
    const readers = Promise.all(runs.map(reader));
    const batch = (ordinal: number, some: readonly Opened[]) =>
      tokens().append(
        LOCAL_TENANT_ID,
        some.map((attempt) => aTokenChunk(attempt, { ordinal })),
      );
    for (let ordinal = 1; ordinal <= 20; ordinal += 1)
      // Three processes, each with one agent of every run, in an order of their own.
      await Promise.all(
        [0, 1, 2].map((worker) => {
          const own = attempts.filter((_, index) => index % 3 === worker);
          return batch(ordinal, worker === 1 ? own.toReversed() : own);
        }),
      );
    writing = false;
    await readers;
    for (const runId of runs) {
      const all = (await read(runId)).map(({ seq }) => seq);
      expect(all).toHaveLength(60);
      expect(seen.get(runId)).toEqual(all);
    }
  });

  test('a stream that was lost in a crash of the server goes on behind every cursor', async () => {
    const attempt = await begun();
    await tokens().append(LOCAL_TENANT_ID, [aTokenChunk(attempt)]);
    const [before] = await read(attempt.runId);
    await database.admin.query('truncate ensemble.token_streams cascade');
    await tokens().append(LOCAL_TENANT_ID, [aTokenChunk(attempt, { ordinal: 2 })]);
    expect(await read(attempt.runId, before?.seq)).toHaveLength(1);
  });

  test('streams of runs that ended long enough ago are removed, whoever’s they are; the others stay', async () => {
    const { repositories, admin } = database;
    const tenantId = await repositories.tenants.create('another');
    const projectId = await repositories.projects.create(tenantId, 'theirs');
    const { runId } = await repositories.runs.create(tenantId, aRun({ projectId }));
    await tokens().append(tenantId, [aTokenChunk(await opened(repositories, anOpening(runId), tenantId))]);
    const running = await begun();
    await tokens().append(LOCAL_TENANT_ID, [aTokenChunk(running)]);
    await repositories.runs.finish(tenantId, anEnd(runId));

    const streams = async (): Promise<readonly string[]> => {
      await admin.query("update ensemble.system_jobs set taken_at = null where purpose = 'expire-tokens'");
      return (await tokens().takeStreams({ everyMs: 60_000, limit: 1_000 })).map((stream) => stream.runId);
    };
    expect(await streams()).toEqual(expect.arrayContaining([runId, running.runId]));
    expect(await tokens().takeStreams({ everyMs: 60_000, limit: 1_000 })).toEqual([]);
    expect(await tokens().expire(tenantId, [runId], 60_000)).toBe(0);
    expect(await tokens().expire(tenantId, [runId], 0)).toBe(1);
    expect(await tokens().expire(LOCAL_TENANT_ID, [running.runId], 0)).toBe(0);
    expect(await streams()).not.toContain(runId);
    const { rows } = await admin.query('select from ensemble.token_chunks where run_id = $1', [runId]);
    expect(rows).toEqual([]);
  });
});
