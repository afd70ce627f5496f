import { setStage, type Stage } from '../support/kills/stage';
import { until } from '../support/kills/until';
import { talkingProcess, wholeLog } from './support/talk';

let stage: Stage;
beforeAll(async () => {
  stage = await setStage();
});
afterAll(() => stage[Symbol.asyncDispose]());

const SDK = { stickyQueueScheduleToStartTimeout: '200ms' };
const dozer = {
  type: 'agent' as const,
  agent: 'dozer',
  input: {},
  retry: { maxAttempts: 5, initialIntervalMs: 50, maxIntervalMs: 50 },
};

/** Whether it lies down, or has not got so far. */
const isAsleep = async (runId: string) => {
  const { rows } = await stage.admin.query('select from ensemble.message_waits where run_id = $1', [runId]);
  return rows.length > 0;
};

async function expectAllOnce(queue: string, runId: string): Promise<void> {
  const result = await stage.client.result(runId);
  expect(result).toMatchObject({ status: 'completed', output: { heard: 'go', checkpoint: 'dozing' } });
  await using outside = talkingProcess({ ...stage.environment, ENSEMBLE_TASK_QUEUE: queue });
  const log = await wholeLog(outside.repositories, runId);
  expect(log.map(({ content }) => content)).toEqual(['here', 'go', 'gone']);
  const changes = await stage.client.contextHistory(runId, 'log');
  expect(changes.map(({ value }) => value)).toEqual(['here', 'woken']);
  expect(await stage.client.contextHistory(runId, 'here')).toMatchObject([{ value: true, version: 1 }]);
  expect(stage.ledger.of(queue).filter(({ effect }) => effect === 'rang')).toHaveLength(1);
  const { mailboxes } = await stage.client.messages.counts(runId);
  expect(mailboxes).toEqual([{ member: 'dozer', pending: 0, delivered: 1, consumed: 1 }]);
  const { rows } = await stage.admin.query(
    `select data ->> 'turn' as turn from ensemble.run_events where run_id = $1 and type = 'agent.asleep'`,
    [runId],
  );
  expect(rows).toEqual([{ turn: '1' }]);
}

const POINTS = ['open.after', 'context.written', 'close.before', 'close.after', 'completion.before'] as const;
const everyStrike = POINTS.flatMap((point) => [1, 2].map((nth) => ({ point, nth })));
/** Before and after a turn is laid down, and in the one that is woken; in the long form at every point of both. */
const FEW: readonly (typeof everyStrike)[number][] = [
  { point: 'close.before', nth: 1 },
  { point: 'completion.before', nth: 1 },
  { point: 'context.written', nth: 2 },
];
const strikes = process.env['ENSEMBLE_TEST_LONG'] === '1' ? everyStrike : FEW;

test.concurrent.each(strikes)(
  'a worker is killed at $point, time $nth: the agent that lies down does everything once',
  async ({ point, nth }) => {
    const queue = `dozer-${crypto.randomUUID()}`;
    const doomed = stage.worker({ strike: { point, nth, signal: 'SIGKILL' }, sdk: SDK });
    await doomed.serve(queue);
    const { runId } = await stage.start(queue, { task: 'Doze', plan: dozer });
    if (nth === 1) {
      await doomed.ended();
      await stage.worker({ sdk: SDK }).serve(queue);
      await until(() => isAsleep(runId));
    }
    await until(() => isAsleep(runId));
    await stage.client.messages.send(runId, { to: 'dozer', content: 'go', from: 'outside' });
    if (nth === 2) {
      await doomed.ended();
      await stage.worker({ sdk: SDK }).serve(queue);
    }
    await expectAllOnce(queue, runId);
  },
  180_000,
);

test.concurrent('who sleeps while there is no worker at all is woken by what came meanwhile', async () => {
  const queue = `dozer-${crypto.randomUUID()}`;
  const doomed = stage.worker({ sdk: SDK });
  await doomed.serve(queue);
  const { runId } = await stage.start(queue, { task: 'Doze', plan: dozer });
  await until(() => isAsleep(runId));
  doomed.signal('SIGKILL');
  await doomed.ended();
  // It is routed by whoever comes next.
  const sent = stage.client.messages.send(runId, { to: 'dozer', content: 'go', from: 'outside' });
  await stage.worker({ sdk: SDK }).serve(queue);
  await sent;
  await expectAllOnce(queue, runId);
}, 180_000);
