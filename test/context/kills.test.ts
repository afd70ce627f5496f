import type { Step } from '../../src/protocol/plan';
import { setStage, type Stage } from '../support/kills/stage';
import { expectOneStory } from '../support/kills/story';
import { until } from '../support/kills/until';

const long = process.env['ENSEMBLE_TEST_LONG'] === '1';
/** Where the process dies, and at which of the writes that pass there. */
const STRIKES = [
  ['context.written', 4],
  ['context.after', 1],
  ...(long
    ? ([
        ['context.before', 1],
        ['context.before', 4],
        ['context.written', 11],
        ['context.after', 4],
        ['context.after', 11],
        ['close.before', 1],
        ['close.after', 1],
      ] as const)
    : []),
] as const;
const TIMES = 5;

let stage: Stage;
beforeAll(async () => {
  stage = await setStage();
});
afterAll(() => stage[Symbol.asyncDispose]());

const newQueue = () => `context-${crypto.randomUUID()}`;
const counting = (key: string, times: number): Step => ({
  type: 'agent',
  agent: 'counting',
  input: { key, times },
  retry: { initialIntervalMs: 50 },
});
const parallel = (steps: readonly Step[]): Step => ({ type: 'parallel', steps, aggregate: 'concat' });

test.concurrent.each(STRIKES)(
  'killed at %s for the %ith time: every increment of both agents is made once',
  async (point, nth) => {
    const queue = newQueue();
    const victim = stage.worker({ strike: { point, nth, signal: 'SIGKILL' } });
    await victim.serve(queue);
    const plan = parallel([counting('n', TIMES), counting('n', TIMES)]);
    const { runId } = await stage.start(queue, { task: 'Count', plan });
    expect((await victim.ended()).signal).toBe('SIGKILL');
    await stage.worker().serve(queue);
    expect(await stage.client.result(runId)).toMatchObject({ status: 'completed', degraded: [] });
    expect(await stage.client.query(runId, 'context')).toMatchObject({
      n: { inline: 2 * TIMES },
      finished: { inline: ['n', 'n'] },
    });
    const history = await stage.client.contextHistory(runId, 'n');
    expect(history.map(({ version, value }) => [version, value])).toEqual(
      Array.from({ length: 2 * TIMES }, (_, i) => [i + 1, i + 1]),
    );
    for (const address of ['1', '2'])
      expect(history.filter(({ cause }) => cause.address === address)).toHaveLength(TIMES);
    await expectOneStory(stage.admin, runId, ['1', '2']);
  },
  120_000,
);

test.concurrent.each([
  ['context.before', 2],
  ['context.written', 3],
])(
  'a zombie that was stopped at %s writes nothing when it wakes that was not made meanwhile',
  async (point, before) => {
    const queue = newQueue();
    const zombie = stage.worker({ strike: { point, nth: 3, signal: 'SIGSTOP' } });
    await zombie.serve(queue);
    const { runId } = await stage.start(queue, { task: 'Count', plan: counting('n', TIMES) });
    await until(() => stage.ledger.of(queue).some(({ struck }) => struck !== undefined));
    await stage.worker().serve(queue);
    expect(await stage.client.result(runId)).toMatchObject({
      status: 'completed',
      agents: [{ attempts: 2 }],
    });
    zombie.signal('SIGCONT');
    // Its own attempt ends when it hears that it is not wanted any more.
    await until(() => stage.ledger.of(queue).filter(({ body }) => body === 'ended').length === 2);
    expect(await stage.client.query(runId, 'context')).toMatchObject({
      n: { inline: TIMES },
      finished: { inline: ['n'] },
    });
    const { rows } = await stage.admin.query<{ attempt: number; writes: string }>(
      `select w.attempt, count(*) as writes from ensemble.context_writes w
       join ensemble.agent_runs r on r.id = w.agent_run_id where r.run_id = $1 group by 1 order by 1`,
      [runId],
    );
    expect(rows).toEqual([
      { attempt: 1, writes: String(before) },
      { attempt: 2, writes: String(TIMES + 1 - before) },
    ]);
  },
  120_000,
);

test.concurrent('an agent that waits for the context, and a step, are woken though their worker was killed', async () => {
  const queue = newQueue();
  const victim = stage.worker();
  await victim.serve(queue);
  const watching: Step = {
    type: 'agent',
    agent: 'watching',
    input: { key: 'n', least: 3 },
    retry: { initialIntervalMs: 50 },
  };
  const step: Step = {
    type: 'wait',
    for: 'context',
    key: 'n',
    where: { op: 'gte', pointer: '', value: 3 },
    timeoutMs: 100_000,
  };
  const begins: Step = { type: 'wait', for: 'timer', durationMs: 4_000 };
  const counts: Step = { type: 'sequence', steps: [begins, counting('n', 3)] };
  const { runId } = await stage.start(queue, { task: 'Wait', plan: parallel([watching, step, counts]) });
  await until(() => stage.ledger.of(queue).some(({ point }) => point === 'watching'));
  victim.signal('SIGKILL');
  await victim.ended();
  await stage.worker().serve(queue);
  expect(await stage.client.result(runId)).toMatchObject({
    status: 'completed',
    output: [{ seen: 3 }, 3, { last: 3 }],
    degraded: [],
  });
}, 120_000);
