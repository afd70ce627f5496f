import { setTimeout as sleep } from 'node:timers/promises';
import { fruitOf, mainJob } from '../support/kills/main-job';
import { setStage, type Stage } from '../support/kills/stage';
import { expectOneStory, rowsOf } from '../support/kills/story';
import { until } from '../support/kills/until';

let stage: Stage;
beforeAll(async () => {
  stage = await setStage();
});
afterAll(() => stage[Symbol.asyncDispose]());

/**
 * The server keeps handing work to the open polls of a stopped process, and each such task is lost for its time-out.
 * With its one slot taken it has no poll for agents open, and one for workflow tasks, which keeps the test short.
 */
const FEW_POLLS = {
  environment: { ENSEMBLE_MAX_CONCURRENT_AGENTS: '1' },
  sdk: { maxCachedWorkflows: 0, maxConcurrentWorkflowTaskPolls: 1 },
};
/** Longer than a heartbeat may take, since that is how a zombie learns of its death. */
const SILENCE_MS = 5_000;

/** `close.before`: the next thing that the zombie does is to store what it has. */
test.concurrent.each(['open.after', 'close.before'])(
  'a worker that was stopped at %s and continues after another took over writes nothing',
  async (point) => {
    const queue = `zombie-${point}-${crypto.randomUUID()}`;
    const zombie = stage.worker({ strike: { point, nth: 1, signal: 'SIGSTOP' }, ...FEW_POLLS });
    await zombie.serve(queue);
    const job = { ...(await mainJob(stage.client)), plan: { type: 'agent' as const, agent: 'inventory' } };
    const { runId } = await stage.start(queue, job);
    const struck = () => stage.ledger.of(queue).find((note) => note.struck === point);
    await until(() => struck() !== undefined);

    const other = stage.worker();
    await other.serve(queue);
    const result = await stage.client.result(runId);
    expect(result.status).toBe('completed');
    await expectOneStory(stage.admin, runId, ['0']);
    const [before, fruit] = [await rowsOf(stage.admin, runId), await fruitOf(stage.client, result)];

    zombie.signal('SIGCONT');
    const { activity } = struck() ?? {};
    const ofZombie = () =>
      stage.ledger.of(queue).filter((note) => note.pid === zombie.pid && note.activity === activity);
    // It goes on where it was stopped, and comes to its end: by what it wanted to do or by being told not to.
    await until(() =>
      ofZombie().some(
        (note) => note.point === 'close.after' || (point === 'open.after' && note.body === 'ended'),
      ),
    );
    await sleep(SILENCE_MS);
    expect(await rowsOf(stage.admin, runId)).toEqual(before);
    expect(await fruitOf(stage.client, await stage.client.describe(runId))).toEqual(fruit);

    // It was no harm to its process either, which works on, and ends when it is asked to.
    expect(zombie.hasEnded()).toBe(false);
    other.signal('SIGTERM');
    expect(await other.ended()).toEqual({ code: 0, signal: null });
    const next = await stage.start(queue, job);
    expect(await stage.client.result(next.runId)).toMatchObject({ status: 'completed' });
    zombie.signal('SIGTERM');
    expect(await zombie.ended()).toEqual({ code: 0, signal: null });
  },
  120_000,
);
