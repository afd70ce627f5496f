import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { LOCAL_TENANT_ID } from '../../src/protocol/run';
import { useDatabase } from './support/database';
import { acceptedRun, aDecision, anEnd, story } from './support/samples';

describe('a run’s story', () => {
  const database = useDatabase();

  test('8 writers with 50 appends each, duplicates among them: numbered without a gap, each key once', async () => {
    const { repositories } = database;
    const runId = await acceptedRun(repositories);
    const counts = await Promise.all(
      Array.from({ length: 8 }, async (_, writer) => {
        let count = 0;
        for (let index = 0; index < 50; index += 1) {
          const own = aDecision(`writer-${writer}-${index}`);
          const shared = aDecision(`shared-${index}`);
          count += await repositories.events.append(LOCAL_TENANT_ID, runId, [own, shared, own]);
        }
        return count;
      }),
    );
    const events = await story(repositories, runId);
    const told = 2 + 8 * 50 + 50;
    expect(events.map(({ seq }) => seq)).toEqual(Array.from({ length: told }, (_, index) => index + 1));
    expect(new Set(events.map(({ key }) => key)).size).toBe(told);
    // Accepting counts for itself; `run.started` was appended with the first of these.
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(told - 1);
    expect(await repositories.runs.find(LOCAL_TENANT_ID, runId)).toMatchObject({ lastEventSeq: told });
  });

  test('a reader that follows while eight write sees every event once, in order', async () => {
    const { repositories } = database;
    const runId = await acceptedRun(repositories);
    const writers = Promise.all(
      Array.from({ length: 8 }, async (_, writer) => {
        for (let index = 0; index < 25; index += 1)
          await repositories.events.append(LOCAL_TENANT_ID, runId, [aDecision(`${writer}-${index}`)]);
      }),
    ).then(() => repositories.runs.finish(LOCAL_TENANT_ID, anEnd(runId)));
    const seen: number[] = [];
    for (let last = ''; last !== 'run.completed';) {
      const page = await repositories.events.readAfter(LOCAL_TENANT_ID, runId, {
        afterSeq: seen.at(-1) ?? 0,
        limit: 7,
      });
      seen.push(...page.map(({ seq }) => seq));
      last = page.at(-1)?.type ?? '';
    }
    await writers;
    expect(seen).toEqual(Array.from({ length: 2 + 200 + 1 }, (_, index) => index + 1));
  });

  test('events keep the order of their batch, and come back as they were', async () => {
    const { repositories } = database;
    const runId = await acceptedRun(repositories);
    const events = ['z', 'a', 'm'].map(aDecision);
    await repositories.events.append(LOCAL_TENANT_ID, runId, [
      ...events,
      { key: 'bare', type: 'context.changed', data: { nested: { list: [1, null, 'ü'] } } },
    ]);
    const [, , ...told] = await story(repositories, runId);
    expect(told).toEqual([
      ...events.map((event, index) => ({ ...event, runId, seq: index + 3, at: expect.any(String) })),
      {
        runId,
        seq: 6,
        key: 'bare',
        type: 'context.changed',
        data: { nested: { list: [1, null, 'ü'] } },
        at: expect.any(String),
      },
    ]);
    expect(new Date(told[0]?.at ?? '').toISOString()).toBe(told[0]?.at);
  });

  test('whoever listens is told the ids of what changed, soon after the commit and together', async () => {
    const { repositories } = database;
    const listener = new Client({ connectionString: database.appUrl });
    await listener.connect();
    const runId = await acceptedRun(repositories);
    let hints = 0;
    listener.on(
      'notification',
      ({ payload }) => (hints += Number(payload === `${LOCAL_TENANT_ID}:${runId}`)),
    );
    await listener.query('listen ensemble_events');
    const names = Array.from({ length: 20 }, (_, index) => `${index}`);
    await Promise.all(
      names.map((name) => repositories.events.append(LOCAL_TENANT_ID, runId, [aDecision(name)])),
    );
    while (hints === 0) await sleep(10);
    await sleep(200);
    expect(hints).toBeLessThan(20);
    await listener.end();
  });
});
