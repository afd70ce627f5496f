import type { NewRest } from '../../src/protocol/rest';
import { LOCAL_TENANT_ID } from '../../src/protocol/run';
import { useDatabase } from './support/database';
import {
  acceptedRun,
  aClosing,
  anOpening,
  aSettlement,
  anEnd,
  type Opened,
  opened,
  plot,
} from './support/samples';

const failure = { code: 'AGENT_FAILED', message: 'no idea' } as const;

describe('the turns of an agent run', () => {
  const database = useDatabase();
  const agentRuns = () => database.repositories.agentRuns;
  const asleep = (turn: number) =>
    ({ turn, untilMs: 5_000, waitsFor: { for: 'message', from: ['b'] }, wokenBy: 'members' }) as const;
  const aRest = (agentRunId: string, turn = 1): NewRest => ({
    agentRunId,
    effects: { context: [{ op: 'set', key: 'draft', value: { inline: turn } }] },
    asleep: asleep(turn),
    resumption: { checkpoint: { inline: `checkpoint ${turn}` }, wait: { key: 'wait' } },
    filter: { op: 'eq', pointer: '/from', value: 'b' },
  });
  const layDown = (attempt: Opened, turn = 1) =>
    agentRuns().layDown(LOCAL_TENANT_ID, { ...attempt, turn, rest: aRest(attempt.agentRunId, turn) });
  const open = (runId: string, change: object) => agentRuns().open(LOCAL_TENANT_ID, anOpening(runId, change));
  const lain = async () => {
    const runId = await acceptedRun(database.repositories);
    const first = await opened(database.repositories, anOpening(runId));
    const answer = await layDown(first);
    return { runId, first, answer };
  };

  test('what a turn brought is kept once; an opening of that turn gets it without executing', async () => {
    const { runId, first, answer } = await lain();
    const { resumption: _, filter: __, ...rest } = aRest(first.agentRunId);
    const kept = { outcome: 'asleep', rest: { ...rest, asleep: { ...rest.asleep, written: 0 } } };
    expect(answer).toEqual(kept);
    // Its answer was lost on the way, or the activity's completion.
    await expect(layDown(first)).resolves.toEqual(kept);
    await expect(open(runId, { activityAttempt: 2, tokenHash: 'token-2' })).resolves.toEqual(kept);
    expect(await plot(database.repositories, runId)).toEqual([
      'run.accepted',
      'run.started',
      'agent.started',
      'agent.asleep',
    ]);
  });

  test('nobody holds the row while its agent sleeps', async () => {
    const { first } = await lain();
    await expect(agentRuns().close(LOCAL_TENANT_ID, aClosing(first))).resolves.toEqual({ outcome: 'fenced' });
    const failed = { ...first, failure, willRetry: true };
    await expect(agentRuns().failAttempt(LOCAL_TENANT_ID, failed)).resolves.toEqual({ outcome: 'fenced' });
  });

  test('the next turn goes on where the one before ended, in every attempt, with attempts of its own', async () => {
    const { runId, first } = await lain();
    const resumption = {
      checkpoint: { inline: 'checkpoint 1' },
      untilMs: 5_000,
      written: 0,
      wait: { key: 'wait' },
    };
    const second = { turn: 2, scheduledAtMs: 2_000, tokenHash: 'token-2' };
    const woken = { outcome: 'open', agentRunId: first.agentRunId, attempt: 2, resumption };
    await expect(open(runId, second)).resolves.toEqual(woken);
    await expect(open(runId, second)).resolves.toEqual(woken);
    // The attempt before the sleep has not failed, and counts no more.
    const unsettled = aSettlement(runId, { maxAttempts: 2 });
    await expect(agentRuns().settle(LOCAL_TENANT_ID, unsettled)).resolves.toEqual({
      outcome: 'unfinished',
      attempts: 1,
    });
    await expect(open(runId, { ...second, activityAttempt: 2, tokenHash: 'token-3' })).resolves.toEqual({
      ...woken,
      attempt: 3,
    });
    const third = { runId, agentRunId: first.agentRunId, attempt: 3, tokenHash: 'token-3' };
    await expect(layDown(third, 2)).resolves.toMatchObject({ outcome: 'asleep' });
    await expect(open(runId, { turn: 3, scheduledAtMs: 3_000, tokenHash: 'token-4' })).resolves.toMatchObject(
      {
        attempt: 4,
        resumption: { checkpoint: { inline: 'checkpoint 2' } },
      },
    );
    const fourth = { ...third, attempt: 4, tokenHash: 'token-4' };
    await expect(agentRuns().close(LOCAL_TENANT_ID, aClosing(fourth))).resolves.toMatchObject({
      outcome: 'closed',
    });
    const [row] = await agentRuns().listByRun(LOCAL_TENANT_ID, runId);
    expect(row?.attempts.map(({ attempt, failure: why }) => [attempt, why.code])).toEqual([
      [2, 'AGENT_LOST'],
    ]);
  });

  test('a turn that is over is not begun again, and none is skipped', async () => {
    const { runId, first } = await lain();
    await expect(open(runId, { turn: 3, scheduledAtMs: 9_000 })).resolves.toEqual({ outcome: 'fenced' });
    await expect(open(runId, { turn: 2, scheduledAtMs: 2_000, tokenHash: 'token-2' })).resolves.toMatchObject(
      {
        outcome: 'open',
      },
    );
    // A workflow that was reset asks for the first turn again.
    await expect(open(runId, { scheduledAtMs: 9_000, tokenHash: 'token-9' })).resolves.toMatchObject({
      outcome: 'asleep',
      rest: { asleep: { turn: 1 } },
    });
    await expect(layDown({ ...first, attempt: 2, tokenHash: 'token-2' }, 1)).resolves.toMatchObject({
      outcome: 'asleep',
      rest: { asleep: { turn: 1 } },
    });
  });

  test('a zombie lays nobody down', async () => {
    const runId = await acceptedRun(database.repositories);
    const zombie = await opened(database.repositories, anOpening(runId));
    await opened(database.repositories, anOpening(runId, { activityAttempt: 2, tokenHash: 'token-2' }));
    await expect(layDown(zombie)).resolves.toEqual({ outcome: 'fenced' });
  });

  test('settling and the end of the run close who sleeps, whose last attempt has not failed', async () => {
    const settled = await lain();
    await expect(
      agentRuns().settle(LOCAL_TENANT_ID, aSettlement(settled.runId, { status: 'cancelled' })),
    ).resolves.toMatchObject({ outcome: 'settled' });
    const failed = await lain();
    await agentRuns().settle(LOCAL_TENANT_ID, aSettlement(failed.runId));
    const over = await lain();
    await database.repositories.runs.finish(LOCAL_TENANT_ID, anEnd(over.runId, { status: 'cancelled' }));
    for (const [{ runId }, status] of [
      [settled, 'cancelled'],
      [failed, 'failed'],
      [over, 'cancelled'],
    ] as const) {
      const [row] = await agentRuns().listByRun(LOCAL_TENANT_ID, runId);
      expect([row?.status, row?.attempts]).toEqual([status, []]);
    }
    await expect(layDown(over.first)).resolves.toMatchObject({ outcome: 'already', status: 'cancelled' });
  });
});
