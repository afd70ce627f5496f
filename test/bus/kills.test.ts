import { setTimeout as sleep } from 'node:timers/promises';
import { LOCAL_TENANT_ID } from '../../src/protocol/run';
import { until } from '../support/kills/until';
import { setStage, type Stage } from '../support/kills/stage';
import type { WorkerProcess } from '../support/kills/worker-process';
import { bySender, talkingProcess, wholeLog } from './support/talk';

let stage: Stage;
beforeAll(async () => {
  stage = await setStage();
});
afterAll(() => stage[Symbol.asyncDispose]());

const KILLS = process.env['ENSEMBLE_TEST_LONG'] === '1' ? 50 : 5;
const SENDERS = ['client:a', 'client:b', 'client:c'];
/** Kills come at any moment of a call: these are well below and above what one takes. */
const PAUSES_MS = [40, 90, 150, 220, 310];

const FOR_EVER = {
  type: 'wait',
  for: 'message',
  where: { op: 'eq', pointer: '/topic', value: 'never' },
  timeoutMs: 3_600_000,
} as const;

/** Kills whoever routes, so many times, always with another one to take over. */
async function killRouters(queue: string, first: WorkerProcess): Promise<void> {
  let router = first;
  for (let kills = 0; kills < KILLS; kills += 1) {
    const next = await aRouter(queue);
    await sleep(PAUSES_MS[kills % PAUSES_MS.length]);
    router.signal('SIGKILL');
    router = next;
  }
}

async function aRouter(queue: string): Promise<WorkerProcess> {
  const router = stage.worker({ sdk: { stickyQueueScheduleToStartTimeout: '200ms' } });
  await router.serve(queue);
  return router;
}

test('nothing is lost and nothing is said twice while routers are killed under traffic', async () => {
  const queue = `bus-kills-${crypto.randomUUID()}`;
  const first = await aRouter(queue);
  const { runId } = await stage.start(queue, {
    task: 'x',
    // A step keeps the run open, since an agent would run out of attempts.
    plan: { type: 'parallel', steps: [{ type: 'agent', agent: 'patient', input: { seconds: 0 } }, FOR_EVER] },
  });
  const environment = { ...stage.environment, ENSEMBLE_TASK_QUEUE: queue };
  await using outside = talkingProcess(environment);
  const key = { tenantId: LOCAL_TENANT_ID, runId };
  await stage.client.messages.configure(runId, { mailbox: { limit: 50, policy: 'block' } });
  const reader = outside.buses.reader({ ...key, member: 'patient' });
  const heard: string[] = [];
  let done = false;
  let said = false;
  let acknowledged = 0;

  const sending = Promise.all(
    SENDERS.map(async (publisher) => {
      using sender = await outside.buses.outsider({ ...key, publisher });
      // For as long as it takes to kill so often.
      for (let round = 0; !done; round += 1) {
        const batch = Array.from({ length: 20 }, (_, index) => round * 20 + index);
        const sent = batch.map((content) => sender.send({ to: 'patient', type: 'inform', content }));
        const ids = await Promise.all(sent);
        acknowledged += ids.length;
      }
    }),
  );
  const reading = (async () => {
    while (!said || heard.length < acknowledged) {
      const messages = await reader.receiveMany(30, { timeoutMs: 1_000 });
      await reader.commit();
      heard.push(...messages.map(({ id }) => id));
    }
  })();
  await killRouters(queue, first);
  done = true;
  await sending;
  said = true;
  await reading;

  const log = await wholeLog(outside.repositories, runId);
  expect(log).toHaveLength(acknowledged);
  for (const contents of bySender(log).values()) expect(contents).toEqual(contents.map((_, index) => index));
  // Each was handed out once, and to the one reader in the log's order.
  expect(heard).toEqual(log.map(({ id }) => id));
  reader[Symbol.dispose]();
}, 900_000);

test('a step that waits for a message is woken though its worker was killed', async () => {
  const queue = `bus-kills-${crypto.randomUUID()}`;
  const victim = await aRouter(queue);
  const where = { op: 'eq', pointer: '/topic', value: 'go' } as const;
  const step = { type: 'wait', for: 'message', where, timeoutMs: 100_000 } as const;
  const begins = { type: 'agent', agent: 'patient', input: { seconds: 0 } } as const;
  const { runId } = await stage.start(queue, {
    task: 'x',
    plan: { type: 'sequence', steps: [begins, step, step] },
  });
  const registered = (address: string) =>
    until(async () => {
      const of = 'select from ensemble.message_waits where run_id = $1 and address = $2';
      return (await stage.admin.query(of, [runId, address])).rows.length > 0;
    });
  await registered('2');
  victim.signal('SIGKILL');
  await victim.ended();
  await using outside = talkingProcess({ ...stage.environment, ENSEMBLE_TASK_QUEUE: queue });
  using sender = await outside.buses.outsider({ tenantId: LOCAL_TENANT_ID, runId, publisher: 'client:go' });
  const go = [1, 2].map((content) => sender.send({ topic: 'go', type: 'inform', content }));
  await aRouter(queue);
  await Promise.all(go);
  // Both steps read the log from its beginning: what ended the one ends the other.
  expect(await stage.client.result(runId)).toMatchObject({ status: 'completed', output: { content: 1 } });
}, 120_000);
