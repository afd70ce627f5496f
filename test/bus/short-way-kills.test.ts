import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../support/kills/until';
import { setStage, type Stage } from '../support/kills/stage';
import { holdBus } from './support/talk';

let stage: Stage;
beforeAll(async () => {
  stage = await setStage();
});
afterAll(() => stage[Symbol.asyncDispose]());

const RETRY = { maxAttempts: 5, initialIntervalMs: 100, maxIntervalMs: 500 };
const step = (agent: string) => ({ type: 'agent' as const, agent, retry: RETRY, timeoutMs: 120_000 });

test('a process that is killed between what an agent heard and the log of it has done nothing for it', async () => {
  const queue = `ahead-${crypto.randomUUID()}`;
  const victim = stage.worker({ sdk: { stickyQueueScheduleToStartTimeout: '200ms' } });
  await victim.serve(queue);
  const plan = { type: 'parallel' as const, steps: [step('whisperer'), step('doer')] };
  const { runId } = await stage.start(queue, { task: 'talk', plan });
  const struck = (what: string) => stage.ledger.of(queue).some((note) => note.struck === what);
  const effects = () => stage.ledger.of(queue).flatMap(({ effect }) => effect ?? []);
  const begun = (name: string) =>
    stage.ledger
      .of(queue)
      .filter(({ body, activity }) => body === 'begun' && activity?.endsWith(name) === true).length;

  await until(() => struck('listening'));
  await stage.client.messages.configure(runId, {});
  await using bus = await holdBus(stage.admin, runId);
  stage.ledger.note({ pid: process.pid, queue, struck: 'go' });
  await until(() => struck('heard 0'));
  await sleep(1_000);
  expect(effects()).toEqual([]);
  victim.signal('SIGKILL');
  await victim.ended();

  await stage.worker().serve(queue);
  await until(() => begun('whisperer') === 2 && begun('doer') === 2, 90_000);
  await bus.letGo();
  expect(await stage.client.result(runId)).toMatchObject({ status: 'completed' });
  // What the first attempt said was kept from the log until its successor was there, and never came into it.
  expect(effects()).toEqual(['word of attempt 2']);
  const said = await stage.client.messages.history(runId, { to: 'doer' });
  expect(said.map(({ content }) => content)).toEqual(['word of attempt 2']);
}, 240_000);
