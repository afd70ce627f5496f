import { countsOf } from '../support/kills/history';
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
  steps: [1, 2].map(() => ({ type: 'agent' as const, agent: 'patient', input: { seconds: 0.1 } })),
};

/** The second time: the run's last agent. */
const runStruckAt = (point: string, signal: 'SIGKILL' | 'SIGSTOP') =>
  struckRun(stage, { point, nth: 2, signal }, plan);

test('a run ends with its last agent: no activity of its own tells of it', async () => {
  const queue = `last-${crypto.randomUUID()}`;
  await stage.worker().serve(queue);
  const { runId } = await stage.start(queue, { task: 'End', plan });
  const result = await stage.client.result(runId);
  expect(result).toMatchObject({ status: 'completed', failure: null, degraded: [] });
  await expectOneStory(stage.admin, runId, ['1', '2']);
  const counts = await countsOf(stage.temporal, runId);
  expect(counts).toMatchObject({ activityTaskCompleted: 2, workflowExecutionCompleted: 1 });
  expect(counts).not.toHaveProperty('markerRecorded');
}, 60_000);

test.each(['close.before', 'close.after', 'completion.before'])(
  'the worker is killed at %s of the last agent: the run ends once, with its result',
  async (point) => {
    const { queue, runId } = await runStruckAt(point, 'SIGKILL');
    await stage.worker().serve(queue);
    const result = await stage.client.result(runId);
    expect(result).toMatchObject({ status: 'completed', failure: null });
    await expectOneStory(stage.admin, runId, ['1', '2']);
    expect(stage.ledger.begun(queue)['2 patient']).toBe(point === 'close.before' ? 2 : 1);
    // The row says so at once; the workflow learns it with the next attempt.
    const ended = stage.temporal.workflow.getHandle(`run-${runId}`).result();
    await expect(ended).resolves.toEqual({ runId, status: 'completed', failure: null });
  },
  120_000,
);

test('a cancellation that comes after the last result changes nothing: row and workflow are completed', async () => {
  const { queue, runId, worker } = await runStruckAt('close.after', 'SIGSTOP');
  const handle = stage.temporal.workflow.getHandle(`run-${runId}`);
  await handle.cancel();
  await stage.worker().serve(queue);
  await expect(handle.result()).resolves.toEqual({ runId, status: 'completed', failure: null });
  expect(await stage.client.result(runId)).toMatchObject({ status: 'completed', failure: null });
  await expectOneStory(stage.admin, runId, ['1', '2']);
  worker.signal('SIGKILL');
}, 120_000);
