import { Client } from '@temporalio/client';
import type { PayloadCodec } from '@temporalio/common';
import { NativeConnection, type WorkerOptions } from '@temporalio/worker';
import { WorkerThreadClient } from '@temporalio/worker/lib/workflow/threaded-vm';
import { Cleanup } from '../../src/runtime/cleanup';
import { temporalTarget } from '../../src/runtime/temporal';
import { TolerantWorker } from '../../src/runtime/tolerant-worker';
import { bundled } from '../support/bundled';
import { startTeam } from '../support/team';

const WORKFLOWS = `
const { ApplicationFailure, condition, defineQuery, defineSignal, proxyActivities, proxySinks, setHandler, sleep } = require('@temporalio/workflow');
const { ledger } = proxySinks();
const { echo } = proxyActivities({ startToCloseTimeout: '10 s', retry: { maximumAttempts: 1 } });
exports.saying = async () => {
  ledger.say('first');
  await sleep(1);
  await sleep(1);
  ledger.say('second');
  ledger.say('third');
  await sleep(1);
};
exports.failing = async () => {
  await sleep(1);
  ledger.say('last words');
  throw ApplicationFailure.nonRetryable('no more');
};
exports.echoing = async (text) => {
  const heard = [];
  setHandler(defineSignal('tell'), (said) => void heard.push(said));
  setHandler(defineQuery('heard'), () => heard);
  await condition(() => heard.length > 0);
  const refused = await echo(null).catch((error) => error.cause.message);
  return [await echo(text), ...heard, refused];
};
`;

type Payloads = Parameters<PayloadCodec['encode']>[0];

/** Reverses what it encodes, and keeps what it decoded. */
class Reversing implements PayloadCodec {
  readonly decoded: string[] = [];

  async encode(payloads: Payloads): Promise<Payloads> {
    return payloads.map((payload) => ({ ...payload, data: (payload.data ?? new Uint8Array()).toReversed() }));
  }

  async decode(payloads: Payloads): Promise<Payloads> {
    const decoded = await this.encode(payloads);
    this.decoded.push(...decoded.map(({ data }) => Buffer.from(data ?? []).toString()));
    return decoded;
  }
}

/** A worker as ours are, of these workflows, and a client that speaks as it does. */
async function startWorker(options: Pick<WorkerOptions, 'activities' | 'dataConverter' | 'sinks'>) {
  await using cleanup = new Cleanup();
  const team = cleanup.use(await startTeam([]));
  const connection = await NativeConnection.connect(temporalTarget(team.environment).connectionOptions);
  cleanup.defer(() => connection.close());
  const taskQueue = `passage-${crypto.randomUUID()}`;
  const worker = await TolerantWorker.create({
    connection,
    taskQueue,
    workflowBundle: await bundled(WORKFLOWS),
    ...options,
  });
  const running = worker.run();
  cleanup.defer(async () => {
    worker.shutdown();
    await running;
  });
  const client = new Client({
    connection: team.temporal.connection,
    ...(options.dataConverter && { dataConverter: options.dataConverter }),
  });
  const start = (type: string, ...args: readonly unknown[]) =>
    client.workflow.start(type, { taskQueue, workflowId: crypto.randomUUID(), args: [...args] });
  const owned = cleanup.move();
  return { start, [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose]() };
}

const echo = async (text: string | null) => {
  if (text === null) throw new Error('nothing to echo');
  return text;
};

/** Starts it, tells it something, asks what it heard, and waits for its end. */
async function echoed(worker: Awaited<ReturnType<typeof startWorker>>): Promise<unknown> {
  const echoing = await worker.start('echoing', 'input');
  await echoing.signal('tell', 'signal');
  const end = await echoing.result();
  return [end, await echoing.query('heard')];
}

describe('what goes in and out of workflow code', () => {
  test('comes as it was sent where there is no codec', async () => {
    await using worker = await startWorker({ activities: { echo } });
    await expect(echoed(worker)).resolves.toEqual([['input', 'signal', 'nothing to echo'], ['signal']]);
  });

  test('passes a codec where there is one', async () => {
    const codec = new Reversing();
    await using worker = await startWorker({
      activities: { echo },
      dataConverter: { payloadCodecs: [codec] },
    });
    await expect(echoed(worker)).resolves.toEqual([['input', 'signal', 'nothing to echo'], ['signal']]);
    expect(codec.decoded).toEqual(expect.arrayContaining(['"input"', '"signal"']));
  });
});

describe('calls of sinks', () => {
  function ledger() {
    const said: string[] = [];
    const say = { fn: (_: unknown, text: string) => void said.push(text), callDuringReplay: false };
    return { said, sinks: { ledger: { say } } };
  }

  /** How often the workflow thread was asked for what. */
  function questions(): (type: string) => number {
    const send = jest.spyOn(WorkerThreadClient.prototype, 'send');
    return (type) => send.mock.calls.filter(([input]) => input.type === type).length;
  }

  afterEach(() => void jest.restoreAllMocks());

  test('all arrive, and nobody asks for them where there are none', async () => {
    const { said, sinks } = ledger();
    await using worker = await startWorker({ sinks });
    const asked = questions();
    await (await worker.start('saying')).result();
    expect(said).toEqual(['first', 'second', 'third']);
    // The first activation says that the workflow starts, the third is what speaks, the last says that the workflow ends.
    expect([asked('activate-workflow'), asked('extract-sink-calls')]).toEqual([4, 3]);
  });

  test('of an activation that fails its workflow arrive too', async () => {
    const { said, sinks } = ledger();
    await using worker = await startWorker({ sinks });
    await expect((await worker.start('failing')).result()).rejects.toThrow('Workflow execution failed');
    expect(said).toEqual(['last words']);
  });
});
