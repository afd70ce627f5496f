import { setTimeout as sleep } from 'node:timers/promises';
import { setStage, type Stage } from '../support/kills/stage';
import { countsOf, isPending } from '../support/kills/history';
import { expectOneStory } from '../support/kills/story';
import { until } from '../support/kills/until';
import type { WorkerProcess } from '../support/kills/worker-process';
import { type CuttableProxy, cuttableProxy } from '../support/cuttable-proxy';

let stage: Stage;
beforeAll(async () => {
  stage = await setStage();
});
afterAll(() => stage[Symbol.asyncDispose]());

const newQueue = () => `attempts-${crypto.randomUUID()}`;
const total = (begun: Readonly<Record<string, number>>) => Object.values(begun).reduce((a, b) => a + b, 0);

/** A stopped process goes on holding the polls that it had open, one for each free slot: here, for each attempt. */
test.concurrent.each([1, 2])(
  'all %i attempts were handed to a frozen worker, which never began them: they do not count',
  async (maxAttempts) => {
    const queue = newQueue();
    const frozen = stage.worker({
      environment: { ENSEMBLE_MAX_CONCURRENT_AGENTS: String(maxAttempts) },
      sdk: { workflowBundle: null },
    });
    await frozen.serve(queue);
    await until(async () => (await pollersOf(queue)) > 0);
    // The server tells of pollers, not of their polls; the others follow at once.
    await sleep(500);
    frozen.signal('SIGSTOP');
    // It decides, and leaves the agents to others.
    const decider = stage.worker({ sdk: { enableNonLocalActivities: false } });
    await decider.serve(queue);
    const { runId } = await stage.start(queue, {
      task: 'Once',
      plan: {
        type: 'agent',
        agent: 'patient',
        input: { seconds: 0.2 },
        retry: { maxAttempts, initialIntervalMs: 100, maxIntervalMs: 100 },
      },
    });
    await until(() => isPending(stage.temporal, runId, { type: 'settleAgent' }));
    const other = stage.worker({ sdk: { workflowBundle: null } });
    await other.serve(queue);
    const result = await stage.client.result(runId);
    expect(result).toMatchObject({ status: 'completed', agents: [{ status: 'completed', attempts: 1 }] });
    await expectOneStory(stage.admin, runId, ['0']);
    const counts = await countsOf(stage.temporal, runId);
    // The history keeps the last attempt of each scheduling: of the first one all were lost, the second was done.
    expect(counts).toMatchObject({ activityTaskTimedOut: 1 });
    expect(counts).not.toHaveProperty('workflowTaskFailed');

    frozen.signal('SIGCONT');
    frozen.signal('SIGTERM');
    expect(await frozen.ended()).toEqual({ code: 0, signal: null });
    expect(stage.ledger.begun(queue)).toEqual({ '0 patient (2)': 1 });
  },
  120_000,
);

/** How many polls for agents are known to be open. */
async function pollersOf(name: string): Promise<number> {
  const { pollers } = await stage.temporal.workflowService.describeTaskQueue({
    namespace: 'default',
    taskQueue: { name },
    taskQueueType: 2,
  });
  return pollers?.length ?? 0;
}

/** Between a worker and its PostgreSQL. */
const databaseProxy = () => cuttableProxy(new URL(stage.databaseUrl).host);

/** A worker that has only this way to PostgreSQL, and serves the queue. */
async function servedBehind({ address }: CuttableProxy, queue: string): Promise<WorkerProcess> {
  const url = new URL(stage.databaseUrl);
  url.host = address;
  const worker = stage.worker({ environment: { DATABASE_URL: url.href } });
  await worker.serve(queue);
  return worker;
}

test.concurrent('PostgreSQL is away at the opening for longer than the attempts last: the agent is executed when it is back, once', async () => {
  await using proxy = await databaseProxy();
  const queue = newQueue();
  const worker = await servedBehind(proxy, queue);
  proxy.cut();
  const { runId } = await stage.start(queue, {
    task: 'Wait',
    plan: {
      type: 'agent',
      agent: 'patient',
      input: { seconds: 0.2 },
      retry: { maxAttempts: 2, initialIntervalMs: 20, maxIntervalMs: 20 },
    },
  });
  // Both attempts have failed, and so has the bookkeeping, which goes on trying.
  await until(() => isPending(stage.temporal, runId, { type: 'settleAgent', attempt: 2 }));
  expect((await countsOf(stage.temporal, runId))['activityTaskFailed']).toBe(1);
  proxy.mend();
  const result = await stage.client.result(runId);
  expect(result).toMatchObject({ status: 'completed', agents: [{ status: 'completed', attempts: 1 }] });
  expect(stage.ledger.begun(queue)).toEqual({ '0 patient (2)': 1 });
  await expectOneStory(stage.admin, runId, ['0']);
  expect(worker.hasEnded()).toBe(false);
}, 120_000);

test.concurrent('PostgreSQL is away when an agent is done, and when a dangerous tool is: what they did is kept when it is back', async () => {
  await using proxy = await databaseProxy();
  const queue = newQueue();
  const worker = await servedBehind(proxy, queue);
  const seconds = 1;
  // Neither may be tried twice.
  const retry = { maxAttempts: 1 };
  const { runId } = await stage.start(queue, {
    task: 'Work, and pay',
    plan: {
      type: 'sequence',
      steps: [
        { type: 'agent', agent: 'patient', input: { seconds }, retry },
        { type: 'agent', agent: 'paying', input: { sideEffects: 'dangerous', seconds }, retry },
      ],
    },
  });
  const effects = () => stage.ledger.of(queue).flatMap(({ effect }) => effect ?? []);
  for (const isAtWork of [() => total(stage.ledger.begun(queue)) === 1, () => effects().length === 1]) {
    await until(isAtWork);
    proxy.cut();
    await sleep(seconds * 1_000 + 1_500);
    proxy.mend();
  }
  const result = await stage.client.result(runId);
  expect(result).toMatchObject({ status: 'completed', output: { receipt: 'printed' } });
  expect(result.agents).toMatchObject([
    { agent: 'patient', status: 'completed' },
    { agent: 'paying', status: 'completed' },
  ]);
  expect(stage.ledger.begun(queue)).toEqual({ '1 patient': 1, '2 paying': 1 });
  expect(effects()).toHaveLength(1);
  await expectOneStory(stage.admin, runId, ['1', '2']);
  const counts = await countsOf(stage.temporal, runId);
  expect(counts).not.toHaveProperty('activityTaskFailed');
  expect(counts).not.toHaveProperty('activityTaskTimedOut');
  expect(worker.hasEnded()).toBe(false);
}, 120_000);

test.concurrent('PostgreSQL goes away under an agent that counts in the shared context: it goes on when it is back, and every step counts once', async () => {
  await using proxy = await databaseProxy();
  const queue = newQueue();
  await servedBehind(proxy, queue);
  const times = 60;
  const { runId } = await stage.start(queue, {
    task: 'Count',
    plan: {
      type: 'agent',
      agent: 'counting',
      input: { key: 'steps', times },
      retry: { maxAttempts: 1 },
    },
  });
  const steps = async (): Promise<number> => {
    const context = (await stage.client.query(runId, 'context')) as { steps?: { inline: number } };
    return context.steps?.inline ?? 0;
  };
  await until(async () => (await steps()) > 2);
  proxy.cut();
  await sleep(1_500);
  const counted = await steps();
  expect(counted).toBeLessThan(times);
  await sleep(500);
  await expect(steps()).resolves.toBe(counted);
  proxy.mend();
  await expect(stage.client.result(runId)).resolves.toMatchObject({
    status: 'completed',
    output: { last: times },
  });
  expect(stage.ledger.begun(queue)).toEqual({ '0 counting': 1 });
  await expectOneStory(stage.admin, runId, ['0']);
}, 120_000);

test.concurrent('three workers are stopped in the middle of an agent with two attempts: it finishes on the fourth', async () => {
  const queue = newQueue();
  let worker = stage.worker();
  await worker.serve(queue);
  const { runId } = await stage.start(queue, {
    task: 'Long',
    plan: {
      type: 'agent',
      agent: 'patient',
      input: { seconds: 60, attempts: 3 },
      retry: { maxAttempts: 2, initialIntervalMs: 100, maxIntervalMs: 100 },
    },
  });
  for (const restart of [1, 2, 3]) {
    await until(() => total(stage.ledger.begun(queue)) === restart);
    const next = stage.worker();
    await next.serve(queue);
    worker.signal('SIGTERM');
    expect(await worker.ended()).toEqual({ code: 0, signal: null });
    worker = next;
  }
  const result = await stage.client.result(runId);
  expect(result).toMatchObject({ status: 'completed', agents: [{ status: 'completed', attempts: 4 }] });
  await expectOneStory(stage.admin, runId, ['0']);
  expect(total(stage.ledger.begun(queue))).toBe(4);
  const { rows } = await stage.admin.query(
    "select data from ensemble.run_events where run_id = $1 and type = 'agent.attempt-failed'",
    [runId],
  );
  const lost = { code: 'AGENT_LOST', willRetry: true };
  expect(rows).toMatchObject([{ data: lost }, { data: lost }, { data: lost }]);
}, 120_000);

test.concurrent('an agent that may be started once is not started again, whoever stopped it', async () => {
  const queue = newQueue();
  const [first, second] = [stage.worker(), stage.worker()];
  await first.serve(queue);
  const { runId } = await stage.start(queue, {
    task: 'Only once',
    plan: { type: 'agent', agent: 'patient', input: { seconds: 60 }, retry: { maxAttempts: 1 } },
  });
  await until(() => total(stage.ledger.begun(queue)) === 1);
  await second.serve(queue);
  first.signal('SIGTERM');
  expect(await stage.client.result(runId)).toMatchObject({
    status: 'failed',
    failure: { code: 'AGENT_LOST', message: expect.stringMatching('its worker was stopped') },
    agents: [{ status: 'failed', attempts: 1 }],
  });
  expect(stage.ledger.begun(queue)).toEqual({ '0 patient': 1 });
  expect(await first.ended()).toEqual({ code: 0, signal: null });
}, 120_000);
