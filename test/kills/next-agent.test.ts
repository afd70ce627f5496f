import { setStage, type Stage } from '../support/kills/stage';
import { expectOneStory } from '../support/kills/story';
import { struckRun } from '../support/kills/struck-run';

let stage: Stage;
beforeAll(async () => {
  stage = await setStage();
});
afterAll(() => stage[Symbol.asyncDispose]());

const plan = {
  type: 'sequence' as const,
  steps: [1, 2, 3].map(() => ({ type: 'agent' as const, agent: 'patient', input: { seconds: 0.1 } })),
};

/** Each row of a run: how it ended, in how many attempts, and whether its own activity opened it. */
async function rowsOf(runId: string): Promise<readonly (readonly [string, number, boolean])[]> {
  const { rows } = await stage.admin.query<{ status: string; attempt: number; activity_attempt: number }>(
    'select status, attempt, activity_attempt from ensemble.agent_runs where run_id = $1 order by address',
    [runId],
  );
  return rows.map((row) => [row.status, row.attempt, row.activity_attempt > 0] as const);
}

const runStruckAt = (point: string, nth: number, signal: 'SIGKILL' | 'SIGSTOP') =>
  struckRun(stage, { point, nth, signal }, plan);

test('after the first, each agent of a sequence is opened by the closing of the one before it', async () => {
  const queue = `next-${crypto.randomUUID()}`;
  await stage.worker().serve(queue);
  const { runId } = await stage.start(queue, { task: 'Next', plan });
  expect(await stage.client.result(runId)).toMatchObject({ status: 'completed' });
  await expectOneStory(stage.admin, runId, ['1', '2', '3']);
  expect(await rowsOf(runId)).toEqual([
    ['completed', 1, true],
    ['completed', 1, false],
    ['completed', 1, false],
  ]);
}, 60_000);

test('the worker is killed when it has opened the next agent ahead: another one takes it, and nobody was lost', async () => {
  const { queue, runId } = await runStruckAt('close.after', 1, 'SIGKILL');
  expect(await rowsOf(runId)).toEqual([
    ['completed', 1, true],
    ['running', 1, false],
  ]);
  await stage.worker().serve(queue);
  expect(await stage.client.result(runId)).toMatchObject({ status: 'completed', failure: null });
  await expectOneStory(stage.admin, runId, ['1', '2', '3']);
  expect(stage.ledger.begun(queue)).toEqual({ '1 patient': 1, '2 patient': 1, '3 patient': 1 });
  expect(await rowsOf(runId)).toEqual([
    ['completed', 1, true],
    ['completed', 1, true],
    ['completed', 1, false],
  ]);
}, 120_000);

test('the worker is killed with an agent that was opened ahead: that attempt counts', async () => {
  const { queue, runId } = await runStruckAt('close.before', 2, 'SIGKILL');
  await stage.worker().serve(queue);
  expect(await stage.client.result(runId)).toMatchObject({ status: 'completed', failure: null });
  await expectOneStory(stage.admin, runId, ['1', '2', '3']);
  expect(stage.ledger.begun(queue)).toEqual({ '1 patient': 1, '2 patient': 2, '3 patient': 1 });
  expect((await rowsOf(runId))[1]).toEqual(['completed', 2, true]);
}, 120_000);

test('a run that is cancelled before the next agent begins leaves no row open', async () => {
  const { queue, runId, worker } = await runStruckAt('completion.before', 1, 'SIGSTOP');
  expect((await rowsOf(runId))[1]).toEqual(['running', 1, false]);
  await stage.temporal.workflow.getHandle(`run-${runId}`).cancel();
  await stage.worker().serve(queue);
  expect(await stage.client.result(runId)).toMatchObject({ status: 'cancelled' });
  expect((await rowsOf(runId)).map(([status]) => status)).toEqual(['completed', 'cancelled']);
  expect(stage.ledger.begun(queue)).toEqual({ '1 patient': 1 });
  worker.signal('SIGKILL');
}, 120_000);
