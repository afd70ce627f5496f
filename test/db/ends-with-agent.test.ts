import { LOCAL_TENANT_ID } from '../../src/protocol/run';
import { useDatabase } from './support/database';
import { acceptedRun, aClosing, aModelCall, anOpening, opened, plot, USAGE } from './support/samples';

const database = useDatabase();

/** An attempt whose result is the run's. */
async function lastAttempt() {
  const runId = await acceptedRun(database.repositories);
  return opened(database.repositories, anOpening(runId));
}

/** A closing that changes nothing but its own row. */
function plain(attempt: Awaited<ReturnType<typeof lastAttempt>>) {
  const closing = aClosing(attempt);
  return { ...closing, result: { ...closing.result, effects: { context: [] } } };
}

test('the last result completes the run in the same transaction, with what its calls took', async () => {
  const { repositories } = database;
  const attempt = await lastAttempt();
  await repositories.modelCalls.record(LOCAL_TENANT_ID, aModelCall(attempt));
  const { result, ...key } = plain(attempt);
  const closing = {
    ...key,
    result: { ...result, usage: { ...result.usage, modelCalls: 1 } },
    ends: true,
  } as const;
  const closed = await repositories.agentRuns.close(LOCAL_TENANT_ID, closing);
  expect(closed).toEqual({ outcome: 'closed', usage: USAGE, runEnded: true });
  const run = await repositories.runs.find(LOCAL_TENANT_ID, attempt.runId);
  expect(run).toMatchObject({
    status: 'completed',
    result: result.output,
    usage: USAGE,
    degraded: [],
    failure: null,
  });
  expect(run?.endedAt).toEqual(expect.any(String));
  expect(await plot(repositories, attempt.runId)).toEqual([
    'run.accepted',
    'run.started',
    'agent.started',
    'agent.completed',
    'run.completed',
  ]);

  // Its completion never arrived: the next attempt finds the work done, and so does whoever ends the run.
  const again = anOpening(attempt.runId, { activityAttempt: 2, tokenHash: 'token-2' });
  expect(await repositories.agentRuns.open(LOCAL_TENANT_ID, again)).toMatchObject({
    outcome: 'closed',
    attempt: 1,
    result: { output: result.output },
  });
  const other = anOpening(attempt.runId, { address: '1' });
  expect(await repositories.agentRuns.open(LOCAL_TENANT_ID, other)).toEqual({
    outcome: 'run-final',
    status: 'completed',
  });
});

test.each([
  ['it is not the last', async () => ({ ends: undefined })],
  [
    'it changes the context, which the workflow tells of',
    async () => ({ result: aClosing(await lastAttempt()).result }),
  ],
  [
    'it changed the context while it worked',
    async (attempt: Awaited<ReturnType<typeof lastAttempt>>) => {
      await database.admin.query(
        `insert into ensemble.context_writes (tenant_id, agent_run_id, number, attempt, write) values ($1, $2, 1, 1, '{}')`,
        [LOCAL_TENANT_ID, attempt.agentRunId],
      );
      return {};
    },
  ],
  [
    'the run talks, and its bus is to be closed first',
    async (attempt: Awaited<ReturnType<typeof lastAttempt>>) => {
      await database.admin.query('insert into ensemble.buses (tenant_id, run_id) values ($1, $2)', [
        LOCAL_TENANT_ID,
        attempt.runId,
      ]);
      return {};
    },
  ],
])('the result does not complete the run where %s', async (_, prepared) => {
  const attempt = await lastAttempt();
  const closing = { ...plain(attempt), ends: true as const, ...(await prepared(attempt)) };
  const closed = await database.repositories.agentRuns.close(LOCAL_TENANT_ID, closing);
  expect(closed).toEqual({ outcome: 'closed', usage: closing.result.usage });
  const run = await database.repositories.runs.find(LOCAL_TENANT_ID, attempt.runId);
  expect(run).toMatchObject({ status: 'running', result: null });
});

test('a fenced attempt ends nothing', async () => {
  const attempt = await lastAttempt();
  await opened(database.repositories, anOpening(attempt.runId, { activityAttempt: 2, tokenHash: 'token-2' }));
  const closing = { ...plain(attempt), ends: true as const };
  expect(await database.repositories.agentRuns.close(LOCAL_TENANT_ID, closing)).toEqual({
    outcome: 'fenced',
  });
  const run = await database.repositories.runs.find(LOCAL_TENANT_ID, attempt.runId);
  expect(run).toMatchObject({ status: 'running' });
});
