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
/** Who is killed, one round after the other, and with them whatever their processes were routing. */
const VICTIMS = [['teller'], ['listener'], ['teller', 'listener']];
const ROUNDS = LONG ? 24 : 3;
const COUNT = LONG ? 20_000 : 4_000;
const RETRY = { maxAttempts: 20, initialIntervalMs: 100, maxIntervalMs: 500 };
/** One agent for each process, so that one can be ended without the other; routing has slots of its own. */
const ONE_AGENT = { environment: { ENSEMBLE_MAX_CONCURRENT_AGENTS: '1' } };

const step = (agent: string, input: Record<string, number> = {}) => ({
  type: 'agent' as const,
  agent,
  input,
  retry: RETRY,
  timeoutMs: 600_000,
});

test.concurrent(
  'a mailbox that blocks loses nothing while its senders and its reader are killed',
  async () => {
    const queue = `talkers-${crypto.randomUUID()}`;
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
        steps: [step('teller', { count: COUNT }), step('listener', { count: COUNT })],
      },
    });
    await stage.client.messages.configure(runId, { mailbox: { limit: 40, policy: 'block' } });
    const begun = (name: string) =>
      stage.ledger
        .of(queue)
        .filter(({ body, activity }) => body === 'begun' && activity?.endsWith(name) === true);
    const logged = async () => (await stage.client.messages.counts(runId)).logged;

    for (let round = 0; round < ROUNDS; round += 1) {
      const before = await logged();
      await until(async () => (await logged()) > before + 50);
      const victims = (VICTIMS[round % VICTIMS.length] ?? []).map((name) => {
        const notes = begun(name);
        return { name, times: notes.length, pid: notes.at(-1)?.pid ?? -1 };
      });
      await Promise.all(victims.map(another));
      for (const { pid } of victims) workers.get(pid)?.signal('SIGKILL');
      await until(() => victims.every(({ name, times }) => begun(name).length > times));
    }

    const result = await stage.client.result(runId);
    expect(result.status).toBe('completed');
    const numbers = Array.from({ length: COUNT }, (_, index) => index);
    const output = JSON.stringify(result.output);
    expect(output).toContain(JSON.stringify({ heard: numbers }));
    await using outside = talkingProcess({ ...stage.environment, ENSEMBLE_TASK_QUEUE: queue });
    expect(bySender(await wholeLog(outside.repositories, runId)).get('teller')).toEqual(numbers);
    expect(await stage.client.messages.deadLetters(runId)).toEqual([]);
    const { mailboxes } = await stage.client.messages.counts(runId);
    expect(mailboxes).toEqual([{ member: 'listener', pending: 0, delivered: COUNT, consumed: COUNT }]);
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
