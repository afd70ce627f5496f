import { NO_USAGE } from '../../src/core/usage';
import { LOCAL_TENANT_ID } from '../../src/protocol/run';
import { useDatabase } from './support/database';
import {
  acceptedRun,
  aClosing,
  aDecision,
  aModelCall,
  anOpening,
  aSettlement,
  opened,
  plot,
  story,
  USAGE,
} from './support/samples';

const failure = { code: 'AGENT_FAILED', message: 'no idea' } as const;

describe('an agent run', () => {
  const database = useDatabase();
  const agentRuns = () => database.repositories.agentRuns;
  const only = async (runId: string) => {
    const rows = await agentRuns().listByRun(LOCAL_TENANT_ID, runId);
    expect(rows).toHaveLength(1);
    return rows[0];
  };

  test('the first opening starts the run; decisions are told before what they caused', async () => {
    const { repositories } = database;
    const runId = await acceptedRun(repositories);
    const opening = anOpening(runId, { events: [aDecision('route'), aDecision('quorum')] });
    await expect(agentRuns().open(LOCAL_TENANT_ID, opening)).resolves.toEqual({
      outcome: 'open',
      agentRunId: opening.candidateId,
      attempt: 1,
    });
    expect(await story(repositories, runId)).toMatchObject([
      { seq: 1, type: 'run.accepted' },
      { seq: 2, type: 'run.started', key: 'run.started' },
      { seq: 3, key: 'route' },
      { seq: 4, key: 'quorum' },
      {
        seq: 5,
        key: 'agent:0:attempt:1:started',
        type: 'agent.started',
        address: '0',
        agent: 'writer',
        data: { attempt: 1 },
      },
    ]);
    const run = await repositories.runs.find(LOCAL_TENANT_ID, runId);
    expect(run).toMatchObject({ status: 'running', lastEventSeq: 5 });
    expect(run?.startedAt).toEqual(expect.any(String));
  });

  test('closing stores the whole result once; a repeated opening gets it without executing', async () => {
    const { repositories } = database;
    const runId = await acceptedRun(repositories);
    const attempt = await opened(repositories, anOpening(runId));
    await repositories.modelCalls.record(LOCAL_TENANT_ID, aModelCall(attempt));
    // What the process counted only says that there were calls; what they took is summed up from their rows.
    const closing = {
      ...aClosing(attempt),
      result: { ...aClosing(attempt).result, usage: { ...NO_USAGE, modelCalls: 1 } },
    };
    const kind = { outcome: 'closed', usage: USAGE };
    await expect(agentRuns().close(LOCAL_TENANT_ID, closing)).resolves.toEqual(kind);
    // Committed, but the activity's completion never arrived: the next attempt opens.
    const again = anOpening(runId, { activityAttempt: 2, tokenHash: 'token-2', events: [aDecision('late')] });
    const { agentRunId } = attempt;
    const closed = {
      agentRunId,
      attempt: 1,
      status: 'completed',
      result: { ...closing.result, usage: USAGE },
      failure: null,
    };
    await expect(agentRuns().open(LOCAL_TENANT_ID, again)).resolves.toEqual({ outcome: 'closed', ...closed });
    await expect(agentRuns().close(LOCAL_TENANT_ID, aClosing(attempt, 'other'))).resolves.toEqual({
      outcome: 'already',
      ...closed,
    });
    const { agentRunId: id, ...kept } = closed;
    expect(await only(runId)).toMatchObject({ ...kept, id, usage: USAGE });
    await expect(agentRuns().outputOf(LOCAL_TENANT_ID, runId, '0')).resolves.toEqual({ inline: 'final' });
    await expect(agentRuns().outputOf(LOCAL_TENANT_ID, runId, '1')).resolves.toBeUndefined();
    // The decision rode in an opening that executed nothing, and is told all the same.
    expect(await plot(repositories, runId)).toEqual([
      'run.accepted',
      'run.started',
      'agent.started',
      'agent.completed',
      'step.decided',
    ]);
  });

  test('a closing in a run that ended without it is refused, and changes nothing', async () => {
    const { repositories, admin } = database;
    const runId = await acceptedRun(repositories);
    const attempt = await opened(repositories, anOpening(runId));
    // Not by `finish`, which would have closed its row too.
    await admin.query(`update ensemble.runs set status = 'cancelled', ended_at = now() where id = $1`, [
      runId,
    ]);
    await expect(agentRuns().close(LOCAL_TENANT_ID, aClosing(attempt))).rejects.toMatchObject({
      code: 'DATABASE_UNAVAILABLE',
      message: expect.stringContaining('the run ended meanwhile'),
    });
    expect(await only(runId)).toMatchObject({ status: 'running', result: null });
    expect(await plot(repositories, runId)).toEqual(['run.accepted', 'run.started', 'agent.started']);
  });

  test('a failed attempt is kept and has lost its hold; the next one raises the attempt', async () => {
    const { repositories } = database;
    const runId = await acceptedRun(repositories);
    const first = await opened(repositories, anOpening(runId));
    const failed = { ...first, failure, willRetry: true, nextAttemptInMs: 2_000 };
    await expect(agentRuns().failAttempt(LOCAL_TENANT_ID, failed)).resolves.toEqual({ outcome: 'recorded' });
    await expect(agentRuns().failAttempt(LOCAL_TENANT_ID, failed)).resolves.toEqual({ outcome: 'already' });
    await expect(agentRuns().close(LOCAL_TENANT_ID, aClosing(first))).resolves.toEqual({ outcome: 'fenced' });

    const second = await opened(repositories, anOpening(runId, { activityAttempt: 2, tokenHash: 'token-2' }));
    expect(second).toMatchObject({ agentRunId: first.agentRunId, attempt: 2 });
    await agentRuns().close(LOCAL_TENANT_ID, aClosing(second));
    expect(await only(runId)).toMatchObject({
      status: 'completed',
      attempt: 2,
      attempts: [{ attempt: 1, failure, willRetry: true, worker: 'worker-1' }],
    });
    const told = (await story(repositories, runId)).find(({ type }) => type === 'agent.attempt-failed');
    expect(told).toMatchObject({
      key: 'agent:0:attempt:1:failed',
      data: { attempt: 1, ...failure, willRetry: true, nextAttemptInMs: 2_000 },
    });
    expect(await plot(repositories, runId)).toEqual([
      'run.accepted',
      'run.started',
      'agent.started',
      'agent.attempt-failed',
      'agent.started',
      'agent.completed',
    ]);
  });

  test('an attempt that said nothing is kept as lost when the next one opens', async () => {
    const { repositories } = database;
    const runId = await acceptedRun(repositories);
    await opened(repositories, anOpening(runId));
    await opened(
      repositories,
      anOpening(runId, { activityAttempt: 2, tokenHash: 'token-2', worker: 'worker-2' }),
    );
    expect(await only(runId)).toMatchObject({
      status: 'running',
      attempt: 2,
      worker: 'worker-2',
      attempts: [{ attempt: 1, failure: { code: 'AGENT_LOST' }, willRetry: true, worker: 'worker-1' }],
    });
    expect((await plot(repositories, runId)).slice(2)).toEqual([
      'agent.started',
      'agent.attempt-failed',
      'agent.started',
    ]);
  });

  test('a zombie writes nothing, neither by its old token nor by opening late', async () => {
    const { repositories } = database;
    const runId = await acceptedRun(repositories);
    const zombie = await opened(repositories, anOpening(runId));
    const current = await opened(
      repositories,
      anOpening(runId, { activityAttempt: 2, tokenHash: 'token-2' }),
    );
    const before = await story(repositories, runId);

    const fenced = { outcome: 'fenced' };
    await expect(agentRuns().close(LOCAL_TENANT_ID, aClosing(zombie, 'stale'))).resolves.toEqual(fenced);
    const forged = { ...zombie, attempt: 2 };
    await expect(agentRuns().close(LOCAL_TENANT_ID, aClosing(forged, 'stale'))).resolves.toEqual(fenced);
    await expect(
      agentRuns().failAttempt(LOCAL_TENANT_ID, { ...forged, failure, willRetry: false }),
    ).resolves.toEqual(fenced);
    const late = anOpening(runId, { tokenHash: 'token-late', events: [aDecision('stale')] });
    await expect(agentRuns().open(LOCAL_TENANT_ID, late)).resolves.toEqual(fenced);
    expect(await story(repositories, runId)).toEqual(before);

    await expect(agentRuns().close(LOCAL_TENANT_ID, aClosing(current))).resolves.toMatchObject({
      outcome: 'closed',
    });
    await expect(agentRuns().close(LOCAL_TENANT_ID, aClosing(zombie, 'stale'))).resolves.toMatchObject({
      outcome: 'already',
      result: { output: { inline: 'final' } },
    });
  });

  test('an activity scheduled anew after a reset is younger, whatever its attempt', async () => {
    const { repositories } = database;
    const runId = await acceptedRun(repositories);
    await opened(repositories, anOpening(runId, { activityAttempt: 3 }));
    const reset = anOpening(runId, { scheduledAtMs: 2_000, activityAttempt: 1, tokenHash: 'token-2' });
    await expect(opened(repositories, reset)).resolves.toMatchObject({ attempt: 2 });
    const old = anOpening(runId, { activityAttempt: 4, tokenHash: 'token-3' });
    await expect(agentRuns().open(LOCAL_TENANT_ID, old)).resolves.toEqual({ outcome: 'fenced' });
  });

  test('the same opening sent twice is one attempt', async () => {
    const { repositories } = database;
    const runId = await acceptedRun(repositories);
    const opening = anOpening(runId);
    const first = await opened(repositories, opening);
    await expect(opened(repositories, opening)).resolves.toEqual(first);
    expect(await only(runId)).toMatchObject({ attempt: 1, attempts: [] });
    expect((await plot(repositories, runId)).filter((type) => type === 'agent.started')).toHaveLength(1);
  });

  test('settling closes what failed for good, keeps its last attempt, and says so once', async () => {
    const { repositories } = database;
    const runId = await acceptedRun(repositories);
    const attempt = await opened(repositories, anOpening(runId));
    const settlement = aSettlement(runId, { events: [aDecision('given up')] });
    const { agentRunId } = attempt;
    await expect(agentRuns().settle(LOCAL_TENANT_ID, settlement)).resolves.toEqual({
      outcome: 'settled',
      agentRunId,
      attempt: 1,
    });
    const closed = { agentRunId, attempt: 1, status: 'failed', result: null, failure: settlement.failure };
    await expect(agentRuns().settle(LOCAL_TENANT_ID, settlement)).resolves.toEqual({
      outcome: 'already',
      ...closed,
    });
    await expect(agentRuns().close(LOCAL_TENANT_ID, aClosing(attempt))).resolves.toEqual({
      outcome: 'already',
      ...closed,
    });
    const reopening = anOpening(runId, { activityAttempt: 2 });
    await expect(agentRuns().open(LOCAL_TENANT_ID, reopening)).resolves.toEqual({
      outcome: 'closed',
      ...closed,
    });
    expect(await only(runId)).toMatchObject({
      status: 'failed',
      attempts: [{ attempt: 1, failure: settlement.failure, willRetry: false }],
    });
    expect((await plot(repositories, runId)).slice(3)).toEqual([
      'step.decided',
      'agent.attempt-failed',
      'agent.failed',
    ]);
  });

  test('settling after a recorded failure does not record the attempt again', async () => {
    const { repositories } = database;
    const runId = await acceptedRun(repositories);
    const attempt = await opened(repositories, anOpening(runId));
    await agentRuns().failAttempt(LOCAL_TENANT_ID, { ...attempt, failure, willRetry: false });
    await agentRuns().settle(LOCAL_TENANT_ID, aSettlement(runId, { failure }));
    expect(await only(runId)).toMatchObject({ attempts: [{ attempt: 1, failure, willRetry: false }] });
    expect((await plot(repositories, runId)).slice(3)).toEqual(['agent.attempt-failed', 'agent.failed']);
  });

  test('an agent run of which too few attempts counted stays open, and says how many did', async () => {
    const { repositories } = database;
    const runId = await acceptedRun(repositories);
    const settle = (change: Parameters<typeof aSettlement>[1]) =>
      agentRuns().settle(LOCAL_TENANT_ID, aSettlement(runId, { maxAttempts: 2, ...change }));
    // Never opened: no attempt counted, and the decisions that rode along are told.
    const unopened = await settle({ events: [aDecision('first')] });
    expect(unopened).toEqual({ outcome: 'unfinished', attempts: 0 });
    expect(await agentRuns().listByRun(LOCAL_TENANT_ID, runId)).toEqual([]);
    const first = await opened(repositories, anOpening(runId));
    expect(await settle({})).toEqual({ outcome: 'unfinished', attempts: 1 });
    // It is neither closed nor fenced: whoever holds the row may still complete it.
    expect(await only(runId)).toMatchObject({ status: 'running', attempt: 1, attempts: [] });
    await agentRuns().failAttempt(LOCAL_TENANT_ID, { ...first, failure, willRetry: true });
    await opened(repositories, anOpening(runId, { activityAttempt: 2, tokenHash: 'token-2' }));
    expect(await settle({})).toMatchObject({ outcome: 'settled', attempt: 2 });
    expect(await plot(repositories, runId)).toEqual([
      'run.accepted',
      'run.started',
      'step.decided',
      'agent.started',
      'agent.attempt-failed',
      'agent.started',
      'agent.attempt-failed',
      'agent.failed',
    ]);
  });

  test('an attempt that a stopping worker gave up is kept, and counts for nothing', async () => {
    const { repositories } = database;
    const runId = await acceptedRun(repositories);
    const settle = () => agentRuns().settle(LOCAL_TENANT_ID, aSettlement(runId, { maxAttempts: 1 }));
    for (const activityAttempt of [1, 2]) {
      const tokenHash = `token-${activityAttempt}`;
      const attempt = await opened(repositories, anOpening(runId, { activityAttempt, tokenHash }));
      const given = { ...attempt, failure, willRetry: true, givenUp: true };
      await expect(agentRuns().failAttempt(LOCAL_TENANT_ID, given)).resolves.toEqual({ outcome: 'recorded' });
      // Said twice, it is still one.
      await expect(agentRuns().failAttempt(LOCAL_TENANT_ID, given)).resolves.toEqual({ outcome: 'already' });
      expect(await settle()).toEqual({ outcome: 'unfinished', attempts: 0 });
    }
    expect(await only(runId)).toMatchObject({ attempt: 2, attempts: [{ attempt: 1 }, { attempt: 2 }] });
    await opened(repositories, anOpening(runId, { activityAttempt: 3, tokenHash: 'token-3' }));
    expect(await settle()).toMatchObject({ outcome: 'settled', attempt: 3 });
  });

  test('what an attempt reads of its run follows from its token, and ends with it', async () => {
    const { repositories } = database;
    const [runId, foreign] = [await acceptedRun(repositories), await acceptedRun(repositories)];
    const closed = async (run: string, address: string, text: string) =>
      agentRuns().close(
        LOCAL_TENANT_ID,
        aClosing(await opened(repositories, anOpening(run, { address })), text),
      );
    await closed(runId, '1', 'ours');
    await closed(foreign, '1', 'theirs');
    await closed(foreign, '2', 'theirs alone');
    const holder = await opened(repositories, anOpening(runId, { address: '3', tokenHash: 'token-3' }));
    const read = (address: string, change: Partial<typeof holder> = {}, tenantId = LOCAL_TENANT_ID) =>
      agentRuns().previousOutput(tenantId, { ...holder, ...change }, address);
    const fenced = expect.objectContaining({ code: 'ATTEMPT_FENCED' });
    await expect(read('1')).resolves.toEqual({ inline: 'ours' });
    await expect(read('2')).resolves.toBeUndefined();
    await expect(read('3')).resolves.toBeUndefined();
    // A run is nothing that it could name: what is given as one changes nothing.
    await expect(read('1', { runId: foreign })).resolves.toEqual({ inline: 'ours' });
    await expect(read('1', { tokenHash: 'token-1' })).rejects.toEqual(fenced);
    const another = await repositories.tenants.create('another');
    await expect(read('1', {}, another)).rejects.toEqual(fenced);

    const opening = anOpening(runId, { address: '3', activityAttempt: 2, tokenHash: 'token-4' });
    const next = await opened(repositories, opening);
    await expect(read('1')).rejects.toEqual(fenced);
    await expect(read('1', next)).resolves.toEqual({ inline: 'ours' });
    await agentRuns().close(LOCAL_TENANT_ID, aClosing(next));
    await expect(read('1', next)).rejects.toEqual(fenced);
    // The client's own read is by run, within its tenant.
    await expect(agentRuns().outputOf(LOCAL_TENANT_ID, foreign, '2')).resolves.toEqual({
      inline: 'theirs alone',
    });
    await expect(agentRuns().outputOf(another, foreign, '2')).resolves.toBeUndefined();
  });

  test('settling adopts a result that was stored but never reported', async () => {
    const { repositories } = database;
    const runId = await acceptedRun(repositories);
    const closing = aClosing(await opened(repositories, anOpening(runId)));
    await agentRuns().close(LOCAL_TENANT_ID, closing);
    await expect(agentRuns().settle(LOCAL_TENANT_ID, aSettlement(runId))).resolves.toMatchObject({
      outcome: 'adopted',
      result: closing.result,
    });
    expect(await only(runId)).toMatchObject({ status: 'completed' });
  });

  test('what was never opened is settled with a row of its own, and cannot be opened any more', async () => {
    const { repositories } = database;
    const runId = await acceptedRun(repositories);
    const cancelled = { code: 'RUN_CANCELLED', message: 'cancelled by the caller' } as const;
    const settlement = aSettlement(runId, { status: 'cancelled', failure: cancelled });
    await expect(agentRuns().settle(LOCAL_TENANT_ID, settlement)).resolves.toMatchObject({
      outcome: 'settled',
      attempt: 0,
    });
    await expect(agentRuns().open(LOCAL_TENANT_ID, anOpening(runId))).resolves.toMatchObject({
      outcome: 'closed',
      status: 'cancelled',
      attempt: 0,
    });
    expect(await only(runId)).toMatchObject({
      status: 'cancelled',
      failure: cancelled,
      attempts: [],
      startedAt: null,
    });
    expect((await story(repositories, runId)).slice(1)).toMatchObject([
      { type: 'run.started' },
      {
        type: 'agent.failed',
        key: 'agent:0:failed',
        data: { status: 'cancelled', attempts: 0, ...cancelled },
      },
    ]);
  });

  test('closing and settling at once: exactly one of them decides', async () => {
    const { repositories } = database;
    const runId = await acceptedRun(repositories);
    await Promise.all(
      Array.from({ length: 30 }, async (_, index) => {
        const address = `${index}`;
        const attempt = await opened(repositories, anOpening(runId, { address }));
        const [closed, settled] = await Promise.all([
          agentRuns().close(LOCAL_TENANT_ID, aClosing(attempt)),
          agentRuns().settle(LOCAL_TENANT_ID, aSettlement(runId, { address })),
        ]);
        expect(['closed adopted', 'already settled']).toContain(`${closed.outcome} ${settled.outcome}`);
      }),
    );
    const ends = (await plot(repositories, runId)).filter(
      (type) => type === 'agent.completed' || type === 'agent.failed',
    );
    expect(ends).toHaveLength(30);
  });

  test('100 agent runs of one run open and close at once without a deadlock or a gap', async () => {
    const { repositories } = database;
    const runId = await acceptedRun(repositories);
    const query = jest.spyOn(database.pool, 'query');
    await Promise.all(
      Array.from({ length: 100 }, async (_, index) => {
        const events = [aDecision(`decision-${index % 10}`)];
        const attempt = await opened(repositories, anOpening(runId, { address: `${index}`, events }));
        await agentRuns().close(LOCAL_TENANT_ID, aClosing(attempt));
      }),
    );
    const types = await plot(repositories, runId);
    expect(types).toHaveLength(2 + 10 + 100 + 100);
    expect(types.filter((type) => type === 'run.started')).toHaveLength(1);
    const statements = query.mock.calls.map(([statement]) => String(Object(statement).name));
    query.mockRestore();
    // A deadlock would have been resolved by calling all of them once more, each by itself.
    expect(statements.filter((name) => /^ensemble\.(open|close)/.test(name))).toEqual([]);
    expect(statements.filter((name) => name.startsWith('ensemble.shared')).length).toBeLessThan(20);
  });

  test('20 openings of one agent run at once: one attempt each at most, and only the last may close', async () => {
    const { repositories } = database;
    const runId = await acceptedRun(repositories);
    const openings = Array.from({ length: 20 }, (_, index) =>
      anOpening(runId, { activityAttempt: index + 1, tokenHash: `token-${index}` }),
    );
    const answers = await Promise.all(
      openings.map(async (opening) => ({
        opening,
        answer: await agentRuns().open(LOCAL_TENANT_ID, opening),
      })),
    );
    const open = answers.flatMap(({ opening, answer }) =>
      answer.outcome === 'open' ? [{ ...answer, runId, tokenHash: opening.tokenHash }] : [],
    );
    expect(open.map(({ attempt }) => attempt).toSorted((a, b) => a - b)).toEqual(
      open.map((_, index) => index + 1),
    );
    const outcomes = await Promise.all(
      open.map((attempt) => agentRuns().close(LOCAL_TENANT_ID, aClosing(attempt))),
    );
    expect(outcomes.filter(({ outcome }) => outcome === 'closed')).toHaveLength(1);
    const row = await only(runId);
    expect(row?.attempts.map(({ attempt }) => attempt)).toEqual(open.slice(1).map((_, index) => index + 1));
    await plot(repositories, runId);
  });
});
