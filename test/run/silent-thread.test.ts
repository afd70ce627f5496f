import { NativeConnection } from '@temporalio/worker';
import { Silence } from '../../src/runtime/silence';
import { temporalTarget } from '../../src/runtime/temporal';
import { UnwatchedWorker } from '../../src/runtime/unwatched-worker';
import { bundled } from '../support/bundled';
import { startTeam } from '../support/team';

const WORKFLOWS = `
exports.brief = async () => 'done';
exports.endless = async () => { for (;;); };
`;

class ImpatientWorker extends UnwatchedWorker {
  protected static override readonly silenceMs = 1_000;
}

test('workflow code that never yields ends its worker, and only then', async () => {
  await using team = await startTeam([]);
  const connection = await NativeConnection.connect(temporalTarget(team.environment).connectionOptions);
  const taskQueue = `silent-${crypto.randomUUID()}`;
  const workflowBundle = await bundled(WORKFLOWS);
  const worker = await ImpatientWorker.create({ connection, taskQueue, workflowBundle });
  const running = worker.run().then(
    () => 'ended',
    (error: unknown) => String(error),
  );
  const start = (type: string) =>
    team.temporal.workflow.start(type, { taskQueue, workflowId: crypto.randomUUID() });
  await expect((await start('brief')).result()).resolves.toBe('done');
  const endless = await start('endless');
  await expect(running).resolves.toContain('Workflow Worker Thread exited');
  expect(worker.getState()).toBe('FAILED');
  await endless.terminate();
  await connection.close();
});

describe('silence', () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());

  /** Somebody who owes an answer. */
  function owing() {
    const onSilent = jest.fn();
    const silence = new Silence(1_000, onSilent);
    let answer = (): void => undefined;
    const heard = silence.heard(new Promise<void>((resolve) => (answer = resolve)));
    return { silence, onSilent, answer, heard };
  }

  test('is noticed once the limit has passed, and once', async () => {
    const { onSilent } = owing();
    await jest.advanceTimersByTimeAsync(1_000);
    expect(onSilent).not.toHaveBeenCalled();
    await jest.advanceTimersByTimeAsync(10_000);
    expect(onSilent).toHaveBeenCalledTimes(1);
  });

  test('is broken by any answer, and there is none where nothing is owed', async () => {
    const { silence, onSilent, answer, heard } = owing();
    for (let i = 0; i < 5; i += 1) {
      await jest.advanceTimersByTimeAsync(900);
      await silence.heard(Promise.resolve());
    }
    answer();
    await heard;
    await jest.advanceTimersByTimeAsync(10_000);
    expect(onSilent).not.toHaveBeenCalled();
    expect(jest.getTimerCount()).toBe(0);
  });
});
