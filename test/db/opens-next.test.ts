import { uuidv7 } from 'uuidv7';
import { LOCAL_TENANT_ID } from '../../src/protocol/run';
import { useDatabase } from './support/database';
import {
  acceptedRun,
  aClosing,
  anEnd,
  anOpening,
  aSettlement,
  opened,
  type Opened,
  plot,
} from './support/samples';

const database = useDatabase();

/** A closing that changes nothing but its own row, with an opening of address 1. */
function closingWithNext(attempt: Opened) {
  const closing = aClosing(attempt);
  const next = {
    candidateId: uuidv7(),
    address: '1',
    agent: 'critic',
    version: '1.0.0',
    tokenHash: 'ahead',
    worker: 'worker-1',
  };
  return { ...closing, result: { ...closing.result, effects: { context: [] } }, next };
}

/** A run whose agent 1 was opened by the closing of agent 0. */
async function openedAhead() {
  const { repositories } = database;
  const runId = await acceptedRun(repositories);
  const closing = closingWithNext(await opened(repositories, anOpening(runId)));
  const closed = await repositories.agentRuns.close(LOCAL_TENANT_ID, closing);
  expect(closed).toEqual({ outcome: 'closed', usage: closing.result.usage, openedNext: true });
  const { candidateId: agentRunId, tokenHash } = closing.next;
  return { runId, agentRunId, attempt: { ...closing, agentRunId, tokenHash, attempt: 1 } };
}

const started = ['run.accepted', 'run.started', 'agent.started', 'agent.completed', 'agent.started'];
const openingOf = (runId: string, change = {}) =>
  anOpening(runId, { address: '1', agent: 'critic', tokenHash: 'other', worker: 'worker-2', ...change });

test('a result opens the next agent in its transaction, and the opening is as good as any', async () => {
  const { repositories } = database;
  const { runId, attempt } = await openedAhead();
  expect(await plot(repositories, runId)).toEqual(started);
  const { next: _, ...closing } = attempt;
  expect(await repositories.agentRuns.close(LOCAL_TENANT_ID, closing)).toMatchObject({ outcome: 'closed' });
  const rows = await repositories.agentRuns.listByRun(LOCAL_TENANT_ID, runId);
  expect(rows.map(({ status, attempt: number }) => [status, number])).toEqual([
    ['completed', 1],
    ['completed', 1],
  ]);
});

test('an activity that only begins takes it over as it is: nothing was lost', async () => {
  const { repositories } = database;
  const { runId, agentRunId, attempt } = await openedAhead();
  const taken = await repositories.agentRuns.open(LOCAL_TENANT_ID, openingOf(runId, { first: true }));
  expect(taken).toEqual({ outcome: 'open', agentRunId, attempt: 1 });
  expect(await plot(repositories, runId)).toEqual(started);
  const [, row] = await repositories.agentRuns.listByRun(LOCAL_TENANT_ID, runId);
  expect(row).toMatchObject({ attempt: 1, worker: 'worker-2', attempts: [] });
  // Whoever opened it ahead has lost it, and the same opening sent again is one.
  expect(await repositories.agentRuns.close(LOCAL_TENANT_ID, attempt)).toEqual({ outcome: 'fenced' });
  expect(await repositories.agentRuns.open(LOCAL_TENANT_ID, openingOf(runId, { first: true }))).toEqual(
    taken,
  );
});

test.each([
  ['a later attempt', { activityAttempt: 2, first: false }],
  ['a worker of before, which does not say that it is the first', {}],
])('%s counts the one that was opened ahead: it may have begun', async (_, change) => {
  const { repositories } = database;
  const { runId, agentRunId } = await openedAhead();
  const second = await repositories.agentRuns.open(LOCAL_TENANT_ID, openingOf(runId, change));
  expect(second).toEqual({ outcome: 'open', agentRunId, attempt: 2 });
  expect(await plot(repositories, runId)).toEqual([...started, 'agent.attempt-failed', 'agent.started']);
});

test('one that failed is not taken for one that never began', async () => {
  const { repositories } = database;
  const { runId, agentRunId, attempt } = await openedAhead();
  const failure = { code: 'AGENT_FAILED', message: 'no' } as const;
  await repositories.agentRuns.failAttempt(LOCAL_TENANT_ID, { ...attempt, failure, willRetry: true });
  const again = await repositories.agentRuns.open(LOCAL_TENANT_ID, openingOf(runId, { first: true }));
  expect(again).toEqual({ outcome: 'open', agentRunId, attempt: 2 });
});

test('a run that ends before its activity comes closes it, and so does whoever settles it', async () => {
  const { repositories } = database;
  const ended = await openedAhead();
  await repositories.runs.finish(LOCAL_TENANT_ID, anEnd(ended.runId, { status: 'cancelled' }));
  const [, row] = await repositories.agentRuns.listByRun(LOCAL_TENANT_ID, ended.runId);
  expect(row).toMatchObject({ status: 'cancelled' });

  const given = await openedAhead();
  const settlement = aSettlement(given.runId, { address: '1', agent: 'critic' });
  const settled = await repositories.agentRuns.settle(LOCAL_TENANT_ID, settlement);
  expect(settled).toMatchObject({ outcome: 'settled', agentRunId: given.agentRunId });
});

test.each([
  [
    'it changes the context, which the workflow tells of',
    async (attempt: Opened) => ({ result: aClosing(attempt).result }),
  ],
  [
    'it changed the context while it worked',
    async (attempt: Opened) => {
      await database.admin.query(
        `insert into ensemble.context_writes (tenant_id, agent_run_id, number, attempt, write) values ($1, $2, 1, 1, '{}')`,
        [LOCAL_TENANT_ID, attempt.agentRunId],
      );
      return {};
    },
  ],
  [
    'the next one is open already',
    async (attempt: Opened) => {
      await opened(database.repositories, openingOf(attempt.runId));
      return {};
    },
  ],
])('the result opens nothing where %s', async (_, prepared) => {
  const { repositories } = database;
  const runId = await acceptedRun(repositories);
  const attempt = await opened(repositories, anOpening(runId));
  const closing = { ...closingWithNext(attempt), ...(await prepared(attempt)) };
  const before = (await repositories.agentRuns.listByRun(LOCAL_TENANT_ID, runId)).length;
  expect(await repositories.agentRuns.close(LOCAL_TENANT_ID, closing)).toEqual({
    outcome: 'closed',
    usage: closing.result.usage,
  });
  expect(await repositories.agentRuns.listByRun(LOCAL_TENANT_ID, runId)).toHaveLength(before);
});

test('a fenced attempt opens nothing', async () => {
  const { repositories } = database;
  const runId = await acceptedRun(repositories);
  const attempt = await opened(repositories, anOpening(runId));
  await opened(repositories, anOpening(runId, { activityAttempt: 2, tokenHash: 'token-2' }));
  const closing = closingWithNext(attempt);
  expect(await repositories.agentRuns.close(LOCAL_TENANT_ID, closing)).toEqual({ outcome: 'fenced' });
  expect(await repositories.agentRuns.listByRun(LOCAL_TENANT_ID, runId)).toHaveLength(1);
});
