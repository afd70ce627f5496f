import { setTimeout as sleep } from 'node:timers/promises';
import { SharedCalls } from '../../src/db/shared-calls';
import { LOCAL_TENANT_ID } from '../../src/protocol/run';
import { useDatabase } from './support/database';
import { acceptedRun, aClosing, anOpening, opened, plot, story } from './support/samples';

describe('shared calls', () => {
  /** Statements as they are sent; each takes a moment, in which others come. */
  function recorded() {
    const sent: string[][] = [];
    const calls = new SharedCalls(async (tenantId, given) => {
      sent.push(given.map(({ body }) => `${tenantId} ${body}`));
      await sleep(5);
      if (given.some(({ body }) => body === 'broken')) throw new Error('refused');
      return given.map(({ body }) => `answer to ${body}`);
    });
    const call = (tenantId: string, runId: string, body: string) =>
      calls.call(tenantId, { name: 'any', runId, body });
    return { sent, call };
  }

  test('what comes together or while one is under way goes in one statement, by run, and each gets its answer', async () => {
    const { sent, call } = recorded();
    const first = [call('t', 'a', '1'), call('t', 'b', '2')];
    await new Promise(setImmediate);
    const second = [call('t', 'b', '3'), call('t', 'a', '4'), call('t', 'a', '5')];
    await expect(Promise.all([...first, ...second])).resolves.toEqual(
      ['1', '2', '3', '4', '5'].map((body) => `answer to ${body}`),
    );
    expect(sent).toEqual([
      ['t 1', 't 2'],
      ['t 4', 't 5', 't 3'],
    ]);
  });

  test('calls of a fan-out wait a moment for those that follow them; calls of several runs do not', async () => {
    const { sent, call } = recorded();
    const trickle = async (runs: readonly string[]) => {
      const calls: Promise<unknown>[] = [];
      for (const [index, run] of runs.entries()) {
        calls.push(call('t', run, String(index)));
        if (index > 0) await sleep(3);
      }
      await Promise.all(calls);
      return sent.splice(0).map((one) => one.length);
    };
    const alone = await trickle(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']);
    const fanOut = await trickle(Array.from({ length: 8 }, () => 'a'));
    expect(fanOut.reduce((a, b) => a + b)).toBe(8);
    expect(fanOut.length).toBeLessThan(alone.length);
  });

  test('tenants share nothing, and a failure is that of its own statement', async () => {
    const { sent, call } = recorded();
    const fails = [call('t', 'a', 'broken'), call('t', 'a', '1')];
    const other = call('u', 'a', '2');
    for (const one of fails) await expect(one).rejects.toThrow('refused');
    await expect(other).resolves.toBe('answer to 2');
    expect(sent).toEqual([['t broken', 't 1'], ['u 2']]);
    await expect(call('t', 'a', '3')).resolves.toBe('answer to 3');
  });

  test('a statement takes at most 50 calls and 64 KiB', async () => {
    const { sent, call } = recorded();
    await Promise.all(Array.from({ length: 120 }, (_, i) => call('t', 'a', String(i))));
    expect(sent.map((calls) => calls.length)).toEqual([50, 50, 20]);
    sent.length = 0;
    const half = 'x'.repeat(32 * 1024);
    await Promise.all([call('t', 'a', half), call('t', 'a', half), call('t', 'a', half)]);
    expect(sent.map((calls) => calls.length)).toEqual([2, 1]);
    expect(SharedCalls.tooLarge(half)).toBe(false);
    expect(SharedCalls.tooLarge(`${half}${half}.`)).toBe(true);
  });
});

describe('functions called at once', () => {
  const database = useDatabase();
  const accepted = () => acceptedRun(database.repositories);

  test('openings and closings of several runs share transactions, each with its own answer and story', async () => {
    const { repositories, admin } = database;
    const runs = await Promise.all(Array.from({ length: 10 }, accepted));
    const openings = runs.flatMap((runId) =>
      ['0', '1', '2'].map((address) => anOpening(runId, { address, tokenHash: `token-${address}` })),
    );
    const attempts = await Promise.all(openings.map((opening) => opened(repositories, opening)));
    expect(attempts.map(({ agentRunId }) => agentRunId)).toEqual(openings.map((one) => one.candidateId));
    await Promise.all(attempts.map((one) => repositories.agentRuns.close(LOCAL_TENANT_ID, aClosing(one))));
    for (const runId of runs) {
      const told = await story(repositories, runId);
      expect(told.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
      expect(told.filter(({ type }) => type === 'agent.completed')).toHaveLength(3);
    }
    const { rows } = await admin.query<{ transactions: string }>(
      'select count(distinct xmin::text) as transactions from ensemble.agent_runs where run_id = any($1)',
      [runs],
    );
    // 30 rows, last written by their closings.
    expect(Number(rows[0]?.transactions)).toBeLessThan(10);
  });

  test('one that comes alone is called without a choice of functions', async () => {
    const { repositories, pool } = database;
    const runId = await accepted();
    const query = jest.spyOn(pool, 'query');
    const attempt = await opened(repositories, anOpening(runId));
    await repositories.agentRuns.close(LOCAL_TENANT_ID, aClosing(attempt));
    const names = query.mock.calls.map(([statement]) => String(Object(statement).name));
    query.mockRestore();
    expect(names.filter((name) => name !== 'ensemble.notify')).toEqual([
      'ensemble.shared.open_agent_run',
      'ensemble.shared.close_agent_run',
    ]);
  });

  test('one that is refused leaves the others as if they had come alone', async () => {
    const { repositories } = database;
    const [good, bad, ended] = await Promise.all([accepted(), accepted(), accepted()]);
    await repositories.runs.finish(LOCAL_TENANT_ID, {
      runId: ended,
      status: 'cancelled',
      result: { inline: null },
      failure: null,
      degraded: [],
      events: [],
    });
    const answers = await Promise.allSettled([
      repositories.agentRuns.open(LOCAL_TENANT_ID, anOpening(good)),
      repositories.agentRuns.open(LOCAL_TENANT_ID, anOpening(bad, { agent: 'wri\u0000ter' })),
      repositories.agentRuns.open(LOCAL_TENANT_ID, anOpening(ended)),
      repositories.agentRuns.open(LOCAL_TENANT_ID, anOpening('01900000-0000-7000-8000-00000000dead')),
    ]);
    expect(answers).toMatchObject([
      { status: 'fulfilled', value: { outcome: 'open', attempt: 1 } },
      { status: 'rejected', reason: { code: 'INPUT_INVALID' } },
      { status: 'fulfilled', value: { outcome: 'run-final', status: 'cancelled' } },
      { status: 'rejected', reason: { code: 'RUN_UNKNOWN' } },
    ]);
    await expect(plot(repositories, good)).resolves.toEqual(['run.accepted', 'run.started', 'agent.started']);
    await expect(plot(repositories, bad)).resolves.toEqual(['run.accepted']);
  });

  test.each([
    ['together with others', true],
    ['alone, before others', false],
  ])(
    'a call for a run whose row somebody holds, %s, holds nobody up and waits itself',
    async (_, together) => {
      const { repositories, admin } = database;
      const [held, free] = await Promise.all([accepted(), accepted()]);
      const holder = await admin.connect();
      await holder.query('begin');
      await holder.query('select from ensemble.runs where id = $1 for update', [held]);
      const order: string[] = [];
      const open = (runId: string, name: string) =>
        repositories.agentRuns.open(LOCAL_TENANT_ID, anOpening(runId)).then(({ outcome }) => {
          order.push(name);
          return outcome;
        });
      const waits = open(held, 'held');
      if (!together) await sleep(50);
      await expect(open(free, 'free')).resolves.toBe('open');
      expect(order).toEqual(['free']);
      await holder.query('commit');
      holder.release();
      await expect(waits).resolves.toBe('open');
    },
  );
});
