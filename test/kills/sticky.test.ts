import { setTimeout as sleep } from 'node:timers/promises';
import { countsOf } from '../support/kills/history';
import { setStage, type Stage } from '../support/kills/stage';
import { expectOneStory } from '../support/kills/story';
import { until } from '../support/kills/until';

let stage: Stage;
beforeAll(async () => {
  stage = await setStage();
});
afterAll(() => stage[Symbol.asyncDispose]());

/** How long the server keeps a run's workflow tasks for the worker that has it in its cache: 10 s. Half of that. */
const WITHIN_STICKY_MS = 5_000;

const step = { type: 'agent' as const, agent: 'patient', input: { seconds: 4, attempts: 1 } };
const plan = { type: 'sequence' as const, steps: [{ ...step, input: { seconds: 0.1 } }, step, step] };
const ADDRESSES = ['1', '2', '3'];

const hasBegun = (queue: string, activity: string) => () => (stage.ledger.begun(queue)[activity] ?? 0) > 0;
/** The workflow tasks that began at the beginning of the run, each by its process. */
const replays = (queue: string) =>
  stage.ledger
    .of(queue)
    .flatMap(({ point, cached, pid }) => (point === 'workflow-task.before' && cached === false ? pid : []));

test.concurrent.each(['SIGKILL', 'SIGTERM'] as const)(
  'the only worker ends by %s in the middle of a run, and a new one that comes within the sticky time goes on',
  async (signal) => {
    const queue = `sticky-${crypto.randomUUID()}`;
    const first = stage.worker();
    await first.serve(queue);
    const { runId } = await stage.start(queue, { task: 'Go on', plan });
    await until(hasBegun(queue, '2 patient'));
    first.signal(signal);
    await first.ended();
    const second = stage.worker();
    await second.serve(queue);
    expect(await stage.client.result(runId)).toMatchObject({ status: 'completed', failure: null });
    await expectOneStory(stage.admin, runId, ADDRESSES);
    expect(stage.ledger.begun(queue)).toEqual({ '1 patient': 1, '2 patient': 2, '3 patient': 1 });
    expect(await countsOf(stage.temporal, runId)).not.toHaveProperty('workflowTaskFailed');
    expect(replays(queue)).toEqual([first.pid, second.pid]);
  },
  120_000,
);

test.concurrent('the only worker freezes in the middle of a run, and goes on from its cache when it thaws within the sticky time', async () => {
  const queue = `sticky-${crypto.randomUUID()}`;
  const worker = stage.worker();
  await worker.serve(queue);
  const { runId } = await stage.start(queue, { task: 'Go on', plan });
  await until(hasBegun(queue, '2 patient'));
  worker.signal('SIGSTOP');
  // Something for the workflow to do in the meantime: its task is handed to the frozen process.
  await stage.client.signal(runId, 'nudge');
  await sleep(WITHIN_STICKY_MS);
  worker.signal('SIGCONT');
  expect(await stage.client.result(runId)).toMatchObject({
    status: 'completed',
    agents: ADDRESSES.map((address) => ({ address, attempts: 1 })),
  });
  await expectOneStory(stage.admin, runId, ADDRESSES);
  expect(stage.ledger.begun(queue)).toEqual({ '1 patient': 1, '2 patient': 1, '3 patient': 1 });
  const counts = await countsOf(stage.temporal, runId);
  for (const lost of ['workflowTaskFailed', 'workflowTaskTimedOut', 'activityTaskTimedOut'])
    expect(counts).not.toHaveProperty(lost);
  expect(counts).toMatchObject({ workflowExecutionSignaled: 1 });
  expect(replays(queue)).toEqual([worker.pid]);
}, 120_000);
