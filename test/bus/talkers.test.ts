import { busIdOf } from '../../src/core/ids';
import type { Entry } from '../support/kills/ledger';
import { setStage, type Stage } from '../support/kills/stage';
import { until } from '../support/kills/until';
import type { WorkerProcess } from '../support/kills/worker-process';
import { bySender, talkingProcess, wholeLog } from './support/talk';

let stage: Stage;
beforeAll(async () => {
  stage = await setStage();
});
afterAll(() => stage[Symbol.asyncDispose]());

const LONG = process.env['ENSEMBLE_TEST_LONG'] === '1';
/** Whose process is killed, one round after the other: a member's, that of whoever routes, and two at once. */
const VICTIMS = [['teller'], ['listener'], ['router'], ['teller', 'listener']] as const;
/** Four rounds are five kills; an agent's attempts end before fifty of them. */
const [CONVERSATIONS, ROUNDS] = LONG ? [['first', 'second'], 20] : [['only'], 4];
/** The time limits of a call and of an agent that a killed process leaves behind, and more. */
const PROGRESS_MS = 120_000;
const RETRY = { maxAttempts: 20, initialIntervalMs: 100, maxIntervalMs: 500 };
/** One agent for each process, so that one can be ended without the other; routing has slots of its own. */
const ONE_AGENT = { environment: { ENSEMBLE_MAX_CONCURRENT_AGENTS: '1' } };

const step = (agent: string) => ({
  type: 'agent' as const,
  agent,
  retry: RETRY,
  timeoutMs: 1_800_000,
});

const begins =
  (agent: string) =>
  ({ body, activity }: Entry): boolean =>
    body === 'begun' && activity?.endsWith(agent) === true;

/** Whose worker is in the middle of a routing call, as Temporal says. */
async function routerOf(runId: string): Promise<number | undefined> {
  const { raw } = await stage.temporal.workflow.getHandle(busIdOf(runId)).describe();
  const identity = raw.pendingActivities?.find((call) => call.lastWorkerIdentity)?.lastWorkerIdentity;
  return identity?.match(/^\d+/)?.map(Number)[0];
}

async function leftOf(runId: string, queue: string) {
  await using outside = talkingProcess({ ...stage.environment, ENSEMBLE_TASK_QUEUE: queue });
  const { messages } = stage.client;
  const [counts, dead] = [await messages.counts(runId), await messages.deadLetters(runId)];
  return { log: await wholeLog(outside.repositories, runId), counts, dead };
}

test.concurrent.each(CONVERSATIONS)(
  'a mailbox that blocks loses nothing while sender, reader and router are killed: the %s conversation',
  async (name) => {
    const queue = `talkers-${name}-${crypto.randomUUID()}`;
    const workers = new Map<number, WorkerProcess>();
    const another = async (): Promise<void> => {
      const worker = stage.worker({ ...ONE_AGENT, sdk: { stickyQueueScheduleToStartTimeout: '200ms' } });
      await worker.serve(queue);
      workers.set(worker.pid, worker);
    };
    await Promise.all([another(), another()]);
    const { runId } = await stage.start(queue, {
      task: 'talk',
      plan: {
        type: 'parallel',
        steps: [step('teller'), step('listener')],
      },
    });
    await stage.client.messages.configure(runId, { mailbox: { limit: 40, policy: 'block' } });
    const logged = async () => (await stage.client.messages.counts(runId)).logged;
    const pidOf = async (victim: string) =>
      victim === 'router' ? routerOf(runId) : stage.ledger.of(queue).findLast(begins(victim))?.pid;
    /** The living process of a victim: a member's may have been killed as the router's. */
    const processOf = async (victim: string): Promise<WorkerProcess> => {
      let found: WorkerProcess | undefined;
      await until(async () => {
        found = workers.get((await pidOf(victim)) ?? 0);
        return found?.hasEnded() === false;
      }, PROGRESS_MS);
      if (found === undefined) throw new Error(`${victim} has no process`);
      return found;
    };

    const progress = async (): Promise<void> => {
      const before = await logged();
      await until(async () => (await logged()) > before + 50, PROGRESS_MS);
    };

    for (let round = 0; round < ROUNDS; round += 1) {
      await progress();
      const victims = VICTIMS[round % VICTIMS.length] ?? [];
      await Promise.all(victims.map(another));
      for (const process of await Promise.all(victims.map(processOf))) process.signal('SIGKILL');
    }
    await progress();
    await stage.client.messages.send(runId, { to: 'teller', content: 'enough' });

    const result = await stage.client.result(runId);
    expect(result.status).toBe('completed');
    const { log, counts, dead } = await leftOf(runId, queue);
    const told = bySender(log).get('teller') ?? [];
    expect(told).toEqual([...told.slice(1).map((_, index) => index), { count: told.length - 1 }]);
    expect(JSON.stringify(result.output)).toContain(JSON.stringify({ heard: told }));
    expect(dead).toEqual([]);
    expect(counts.mailboxes).toContainEqual({
      member: 'listener',
      pending: 0,
      delivered: told.length,
      consumed: told.length,
    });
  },
  LONG ? 1_800_000 : 240_000,
);

test.concurrent('a worker that was stopped in the middle of a sentence says none of the rest once another went on', async () => {
  const queue = `interrupted-${crypto.randomUUID()}`;
  const zombie = stage.worker({
    environment: ONE_AGENT.environment,
    sdk: { maxCachedWorkflows: 0, maxConcurrentWorkflowTaskPolls: 1 },
  });
  await zombie.serve(queue);
  const { runId } = await stage.start(queue, { task: 'talk', plan: step('interrupted') });
  const struck = () => stage.ledger.of(queue).find((note) => note.struck === 'said-four');
  await until(() => struck() !== undefined);
  const other = stage.worker();
  await other.serve(queue);

  await using outside = talkingProcess({ ...stage.environment, ENSEMBLE_TASK_QUEUE: queue });
  const said = async () => (await wholeLog(outside.repositories, runId)).map(({ content }) => content);
  // The frozen process may hold tasks of the bus as well: each goes on only once its time is up.
  await until(async () => (await said()).length === 6, 150_000);
  zombie.signal('SIGCONT');
  const refusals = () => stage.ledger.of(queue).find((note) => note.effect !== undefined);
  await until(() => refusals() !== undefined);
  expect(refusals()).toMatchObject({ pid: zombie.pid, effect: 'ATTEMPT_FENCED,ATTEMPT_FENCED' });
  expect(await said()).toEqual(['a', 'b', 'c', 'd', 'else', 'more']);

  await stage.client.messages.send(runId, { to: 'interrupted', content: 'enough' });
  expect(await stage.client.result(runId)).toMatchObject({
    status: 'completed',
    output: { word: 'enough' },
  });
  expect((await said()).slice(0, 6)).toEqual(['a', 'b', 'c', 'd', 'else', 'more']);
  expect(zombie.hasEnded()).toBe(false);
}, 240_000);
