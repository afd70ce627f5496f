import { setTimeout as sleep } from 'node:timers/promises';
import { setStage, type Stage } from '../support/kills/stage';
import { expectOneStory } from '../support/kills/story';

let stage: Stage;
beforeAll(async () => {
  stage = await setStage();
});
afterAll(() => stage[Symbol.asyncDispose]());

/** ENSEMBLE_SHUTDOWN_GRACE_MS of the workers here. */
const GRACE_MS = 1_000;
const plan = {
  type: 'agent' as const,
  agent: 'patient',
  input: { seconds: 60, attempts: 1 },
};

test('a worker that is told to stop hands its agent to the next one at once, as an attempt and not as a cancellation', async () => {
  const queue = `shutdown-${crypto.randomUUID()}`;
  const [first, second] = [stage.worker(), stage.worker()];
  await first.serve(queue);
  const { runId } = await stage.start(queue, { task: 'Wait', plan });
  await begun(queue, first.pid);
  await second.serve(queue);

  const told = Date.now();
  first.signal('SIGTERM');
  const exited = first.ended().then((end) => ({ ...end, ms: Date.now() - told }));
  const result = await stage.client.result(runId);
  const completedMs = Date.now() - told;
  expect(result).toMatchObject({ status: 'completed', failure: null });
  // Far from the 15 s of silence after which a worker counts as dead.
  expect(completedMs).toBeLessThan(GRACE_MS + 4_000);
  const { code, ms } = await exited;
  expect(code).toBe(0);
  expect(ms).toBeLessThan(GRACE_MS + 2_000);

  expect(result.agents).toMatchObject([{ agent: 'patient', status: 'completed', attempts: 2 }]);
  await expectOneStory(stage.admin, runId, ['0']);
  const failed = await stage.admin.query(
    "select data from ensemble.run_events where run_id = $1 and type = 'agent.attempt-failed'",
    [runId],
  );
  expect(failed.rows).toMatchObject([
    {
      data: { code: 'AGENT_LOST', message: expect.stringMatching('its worker was stopped'), willRetry: true },
    },
  ]);
}, 60_000);

test('an agent that ends within the grace is not disturbed', async () => {
  const queue = `shutdown-${crypto.randomUUID()}`;
  const worker = stage.worker();
  await worker.serve(queue);
  const { runId } = await stage.start(queue, {
    task: 'Hurry',
    plan: { type: 'agent', agent: 'patient', input: { seconds: 0.6 } },
  });
  await begun(queue, worker.pid);
  worker.signal('SIGTERM');
  expect(await worker.ended()).toEqual({ code: 0, signal: null });
  const other = stage.worker();
  await other.serve(queue);
  const result = await stage.client.result(runId);
  expect(result.agents).toMatchObject([{ status: 'completed', attempts: 1 }]);
  expect(stage.ledger.begun(queue)).toEqual({ '0 patient': 1 });
}, 60_000);

async function begun(queue: string, pid: number): Promise<void> {
  for (const deadline = Date.now() + 30_000; Date.now() < deadline; await sleep(50))
    if (stage.ledger.of(queue).some((note) => note.pid === pid && note.body === 'begun')) return;
  throw new Error('The agent never began');
}
