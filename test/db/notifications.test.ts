import { setTimeout as sleep } from 'node:timers/promises';
import { readEvents } from '../../src/client/events';
import { RunNotifications } from '../../src/db/notifications';
import { LOCAL_TENANT_ID } from '../../src/protocol/run';
import { useDatabase } from './support/database';
import { acceptedRun, aDecision, anEnd } from './support/samples';

describe('following runs', () => {
  const database = useDatabase();
  const errors: Error[] = [];

  const notifications = () => new RunNotifications(database.appUrl, (error) => errors.push(error));
  const append = (runId: string, key: string) =>
    database.repositories.events.append(LOCAL_TENANT_ID, runId, [aDecision(key)]);

  /** Process ids of the connections that listen in this suite's database. */
  const listeners = async (): Promise<number[]> => {
    const { rows } = await database.admin.query<{ pid: number }>(
      `select pid from pg_stat_activity
        where datname = current_database() and application_name = 'ensemble-listen'`,
    );
    return rows.map(({ pid }) => pid);
  };

  /** Waits until so many connections listen; throws after 5 s. */
  const untilListening = async (count: number, except?: number): Promise<number | undefined> => {
    for (const since = Date.now(); Date.now() - since < 5_000; await sleep(10)) {
      const pids = (await listeners()).filter((pid) => pid !== except);
      if (pids.length === count) return pids[0];
    }
    throw new Error(`expected ${count} listening connections, there are ${(await listeners()).length}`);
  };

  /** How long the next change took to be noticed. */
  const timed = async (work: Promise<void>): Promise<number> => {
    const since = Date.now();
    await work;
    return Date.now() - since;
  };

  test('a watch wakes for a change of its own run, and for no other', async () => {
    await using following = notifications();
    const [runId, other] = [
      await acceptedRun(database.repositories),
      await acceptedRun(database.repositories),
    ];
    using watch = following.watch(runId);
    // Opening the channel wakes everyone once: a change may have come before it.
    await watch.changed(5_000);
    await sleep(200);
    await watch.changed(1);

    await append(runId, 'mine');
    expect(await timed(watch.changed(5_000))).toBeLessThan(2_000);
    await append(other, 'not mine');
    expect(await timed(watch.changed(300))).toBeGreaterThanOrEqual(290);
    // One that comes while nobody waits is kept for the next who does.
    await append(runId, 'meanwhile');
    await sleep(200);
    expect(await timed(watch.changed(5_000))).toBeLessThan(100);
  });

  test('a run that grows without a pause wakes its followers some times a second', async () => {
    await using following = notifications();
    const runId = await acceptedRun(database.repositories);
    using watch = following.watch(runId);
    await watch.changed(5_000);
    let wakes = 0;
    const until = Date.now() + 1_500;
    const counting = (async () => {
      for (; Date.now() < until; wakes += 1) await watch.changed(5_000);
    })();
    for (let index = 0; Date.now() < until + 300; index += 1) await append(runId, `${index}`);
    await counting;
    // Every 150 ms at most; less often where the machine is slow.
    expect(wakes).toBeGreaterThanOrEqual(2);
    expect(wakes).toBeLessThanOrEqual(12);
  });

  test('many watches share one connection, and a signal ends a wait', async () => {
    await using following = notifications();
    const runId = await acceptedRun(database.repositories);
    const watches = Array.from({ length: 50 }, () => following.watch(runId));
    await untilListening(1);
    await Promise.all(watches.map((watch) => watch.changed(5_000)));
    const waiting = watches.map((watch) => watch.changed(5_000));
    await append(runId, 'for all');
    expect(await timed(Promise.all(waiting).then(() => undefined))).toBeLessThan(2_000);
    expect(await listeners()).toHaveLength(1);
    for (const watch of watches.slice(1)) watch[Symbol.dispose]();
    // Hints are sent a moment after the commit, so one of the two changes above may still be on its way.
    await sleep(200);
    await watches[0]?.changed(1);
    const waited = watches[0]?.changed(5_000, AbortSignal.timeout(50));
    await expect(waited).rejects.toMatchObject({ name: 'TimeoutError' });
  });

  test('a connection that was killed is replaced, and wakes again', async () => {
    await using following = notifications();
    const runId = await acceptedRun(database.repositories);
    using watch = following.watch(runId);
    const killed = await untilListening(1);
    await watch.changed(5_000);
    const waiting = watch.changed(5_000);
    errors.length = 0;
    await database.admin.query('select pg_terminate_backend($1)', [killed]);
    // Woken by the loss itself: whatever was told in between has to be read.
    expect(await timed(waiting)).toBeLessThan(2_000);
    await untilListening(1, killed);
    await sleep(200);
    await watch.changed(1);
    await append(runId, 'after');
    expect(await timed(watch.changed(5_000))).toBeLessThan(2_000);
    expect(errors.length).toBeGreaterThan(0);
  });

  test('a reader misses and repeats nothing while its connection is killed again and again', async () => {
    await using following = notifications();
    const { repositories } = database;
    const runId = await acceptedRun(repositories);
    const source = { repositories, notifications: following, tenantId: LOCAL_TENANT_ID };
    const seen: number[] = [];
    const reading = (async () => {
      for await (const { seq } of readEvents(source, runId, {})) seen.push(seq);
    })();
    for (let index = 0; index < 60; index += 1) {
      await append(runId, `${index}`);
      if (index % 15 === 7)
        await database.admin.query('select pg_terminate_backend(pid) from unnest($1::int[]) pid', [
          await listeners(),
        ]);
      await sleep(20);
    }
    await repositories.runs.finish(LOCAL_TENANT_ID, anEnd(runId));
    await reading;
    // Accepted, started, the 60, completed.
    expect(seen).toEqual(Array.from({ length: 63 }, (_, index) => index + 1));
  });

  test.each([
    ['before anything was followed', 0],
    ['while the connection is being made', 0],
    ['while it is open', 300],
  ])('disposed %s, nothing stays open and whoever waits is let go', async (moment, afterMs) => {
    const following = notifications();
    const runId = await acceptedRun(database.repositories);
    let waiting: Promise<void> | undefined;
    if (!moment.startsWith('before')) {
      const watch = following.watch(runId);
      if (afterMs > 0) await watch.changed(5_000);
      waiting = watch.changed(30_000);
    }
    await sleep(afterMs);
    errors.length = 0;
    await following[Symbol.asyncDispose]();
    await waiting;
    await untilListening(0);
    // Neither does a reader that comes too late open anything again.
    using late = following.watch(runId);
    await late.changed(1);
    await sleep(700);
    expect([await listeners(), errors]).toEqual([[], []]);
  });

  test('disposed while it waits to connect again, it stays away', async () => {
    const following = notifications();
    using watch = following.watch(await acceptedRun(database.repositories));
    const killed = await untilListening(1);
    await watch.changed(5_000);
    const lost = watch.changed(5_000);
    await database.admin.query('select pg_terminate_backend($1)', [killed]);
    await lost;
    await following[Symbol.asyncDispose]();
    await sleep(700);
    expect(await listeners()).toEqual([]);
  });
});
