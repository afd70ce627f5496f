import { isEager } from '../support/kills/history';
import { setStage, type Stage } from '../support/kills/stage';
import { expectOneStory } from '../support/kills/story';

let stage: Stage;
beforeAll(async () => {
  stage = await setStage();
});
afterAll(() => stage[Symbol.asyncDispose]());

const request = {
  task: 'Begin',
  plan: { type: 'agent' as const, agent: 'patient', input: { seconds: 0.1 } },
  idempotencyKey: 'begin',
};

// The server gives a workflow task up after ten seconds.
test('the process that starts a run is killed with its first workflow task in hand: another worker carries it out, once', async () => {
  const queue = `eager-${crypto.randomUUID()}`;
  const first = stage.worker({ strike: { point: 'workflow-task.before', nth: 1, signal: 'SIGKILL' } });
  await first.serve(queue);
  first.start(queue, request);
  expect(await first.ended()).toEqual({ code: null, signal: 'SIGKILL' });

  await stage.worker().serve(queue);
  const { runId, created } = await stage.start(queue, request);
  expect(created).toBe(false);
  expect(await stage.client.result(runId)).toMatchObject({ status: 'completed', failure: null });
  await expectOneStory(stage.admin, runId, ['0']);
  expect(Object.values(stage.ledger.begun(queue))).toEqual([1]);
  expect(await isEager(stage.temporal, runId)).toBe(true);
}, 60_000);
