import type { Payload } from '@temporalio/common';
import { busIdOf } from '../../src/core/ids';
import { LIMITS } from '../../src/protocol/limits';
import { LOCAL_TENANT_ID } from '../../src/protocol/run';
import { asAdmin } from '../db/support/database';
import { bySender, startTalk, type Talk, until } from './support/talk';

let talk: Talk;
beforeAll(async () => {
  talk = await startTalk();
});
afterAll(() => talk[Symbol.asyncDispose]());

const LONG = process.env['ENSEMBLE_TEST_LONG'] === '1';
const key = (runId: string) => ({ tenantId: LOCAL_TENANT_ID, runId });
const note = (content: string | number, to = 'beta') => ({ to, type: 'inform', content });

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const encoded = (encoding: string, data: string | Uint8Array): Payload => ({
  metadata: { encoding: bytes(encoding) },
  data: typeof data === 'string' ? bytes(data) : data,
});
const json = (value: unknown): Payload => encoded('json/plain', JSON.stringify(value));

/** A signal as a client in any language may send it, whatever is in it. */
async function signal(runId: string, ...payloads: readonly Payload[]): Promise<void> {
  const { temporal } = talk.team;
  await temporal.workflowService.signalWorkflowExecution({
    namespace: temporal.options.namespace,
    workflowExecution: { workflowId: busIdOf(runId) },
    signalName: 'bus.deliver',
    input: { payloads: [...payloads] },
    identity: 'somebody',
    requestId: crypto.randomUUID(),
  });
}

async function start(runId: string, ...batches: readonly unknown[]): Promise<void> {
  await talk.team.temporal.workflow.signalWithStart('messageBus', {
    workflowId: busIdOf(runId),
    taskQueue: talk.team.environment['ENSEMBLE_TASK_QUEUE'] ?? '',
    args: [key(runId)],
    signal: 'bus.deliver',
    signalArgs: [...batches],
  });
}

const nested = (levels: number): string => `${'['.repeat(levels)}${']'.repeat(levels)}`;

const GARBAGE: readonly [string, readonly Payload[], string][] = [
  ['broken JSON', [encoded('json/plain', '{"publisher":')], 'undecodable'],
  ['an unknown encoding', [encoded('binary/encrypted', 'x')], 'undecodable'],
  ['no metadata', [{ data: bytes('{}') }], 'undecodable'],
  ['bytes that are nothing', [encoded('binary/plain', new Uint8Array([0x78, 1, 2, 3]))], 'undecodable'],
  ['null', [json(null)], 'invalid'],
  ['a batch of nobody', [json({ from: 1, items: [] })], 'invalid'],
  ['1.9 MB', [json({ publisher: 'client:x', from: 1, items: [note('x'.repeat(1_900_000))] })], 'undecodable'],
  ['endless nesting', [encoded('json/plain', nested(100_000))], 'undecodable'],
  ['a number that is late', [json({ publisher: 'client:gap', from: 7, items: [note(1)] })], 'gap'],
  [
    'somebody else’s name',
    [json({ publisher: crypto.randomUUID(), from: 1, items: [note(1)] })],
    'unknown-publisher',
  ],
];

test.each(GARBAGE)('%s is buried, and harms nobody', async (_, payloads, reason) => {
  const runId = await talk.run();
  await start(runId, { publisher: 'client:raw', from: 1, items: [note('before')] });
  await signal(runId, ...payloads);
  await signal(runId, json({ publisher: 'client:raw', from: 1, items: [note('before'), note('after')] }));
  await until(async () => (await talk.log(runId)).length === 2);
  expect((await talk.log(runId)).map(({ content }) => content)).toEqual(['before', 'after']);
  const letters = await talk.team.client.messages.deadLetters(runId);
  expect(letters.map((letter) => letter.reason)).toEqual([reason]);
  const bus = await talk.team.temporal.workflow.getHandle(busIdOf(runId)).fetchHistory();
  expect(bus.events?.filter((event) => event.workflowTaskFailedEventAttributes)).toEqual([]);
});

test('a bus that is started with anything but a run’s key ends at once', async () => {
  const { temporal, environment } = talk.team;
  const taskQueue = environment['ENSEMBLE_TASK_QUEUE'] ?? '';
  for (const args of [[], ['run'], [{ tenantId: LOCAL_TENANT_ID, runId: 'no uuid' }]]) {
    const workflowId = `bus-${crypto.randomUUID()}`;
    const bus = await temporal.workflow.start('messageBus', { workflowId, taskQueue, args });
    await expect(bus.result()).rejects.toMatchObject({ cause: { type: 'INPUT_INVALID' } });
  }
});

test(
  'continuing as new under load loses nothing, repeats nothing and keeps the order',
  async () => {
    const runId = await talk.run();
    const senders = 5;
    const [signals, each] = LONG ? [8_000, 5] : [2_000, 2];
    const total = signals * each;
    await talk.team.client.messages.configure(runId, { mailbox: { limit: 100_000 } });
    await start(runId);
    const handle = talk.team.temporal.workflow.getHandle(busIdOf(runId));
    const members = ['alpha', 'beta', 'gamma'];
    const recipient = (index: number): string => members[index % members.length] ?? '';
    // Small batches, one signal for each: the way to fill a history.
    const send = async (index: number): Promise<void> => {
      const publisher = `client:s${index}`;
      for (let from = 1; from <= total; from += each) {
        const items = Array.from({ length: each }, (_, offset) => note(from + offset, recipient(index)));
        await handle.signal('bus.deliver', { publisher, from, items });
      }
    };
    const indexes = Array.from({ length: senders }, (_, index) => index);
    const reading = members.map((member) => {
      const count = total * indexes.filter((index) => recipient(index) === member).length;
      return hear(runId, member, count);
    });
    await Promise.all(indexes.map(send));
    const heard = await Promise.all(reading);
    const log = await talk.log(runId);
    const inOrder = Array.from({ length: total }, (_, index) => index + 1);
    expect([...bySender(log).values()]).toEqual(indexes.map(() => inOrder));
    // Each member heard its part of the log, once and in the log's order.
    for (const [at, member] of members.entries())
      expect(heard[at]).toEqual(log.filter(({ to }) => to === member).map(({ id }) => id));
    const { mailboxes } = await talk.team.client.messages.counts(runId);
    expect(mailboxes.map(({ pending }) => pending)).toEqual([0, 0, 0]);
    expect(await talk.team.client.messages.deadLetters(runId)).toEqual([]);
    expect(await executionsOf(busIdOf(runId))).toBeGreaterThan(LONG ? 5 : 2);
  },
  LONG ? 1_800_000 : 600_000,
);

/** Reads so many messages of a mailbox, and commits each reading. */
async function hear(runId: string, member: string, count: number): Promise<readonly string[]> {
  using reader = talk.buses.reader({ ...key(runId), member });
  const ids: string[] = [];
  while (ids.length < count) {
    const messages = await reader.receiveMany(1_000, { timeoutMs: 1_000 });
    await reader.commit();
    for (const { id } of messages) ids.push(id);
  }
  return ids;
}

test('a bus routes while forty clients flood it with a signal for each message', async () => {
  const runId = await talk.run();
  const flooding = await flood(runId);
  // None of them pauses until it has come so far.
  await until(async () => (await flooding.logged()) >= 2_000);
  await flooding.end();
}, 240_000);

test('a bus continues as new though its clients are faster than what routes', async () => {
  const runId = await talk.run();
  const { workflow } = talk.team.temporal;
  const first = async (): Promise<boolean> => {
    const { raw, runId: current } = await workflow.getHandle(busIdOf(runId)).describe();
    return raw.workflowExecutionInfo?.firstRunId === current;
  };
  let flooding: Flood;
  {
    await using _ = await slowDatabase(8);
    // What waits must be able to go along: more, and the server refuses signals in the end (docs/messages.md).
    flooding = await flood(runId, { mostWaiting: 4_000 });
    await until(async () => !(await first()));
    // Far more than one call takes was waiting, and went along.
    expect(flooding.sent() - (await flooding.logged())).toBeGreaterThan(LIMITS.busCallBatches);
  }
  await flooding.end();
}, 240_000);

interface Flood {
  sent(): number;
  logged(): Promise<number>;
  /** Checks that everything came into the log, once and in order. */
  end(): Promise<void>;
}

/** Forty clients, of whom each sends a signal for each message and begins the next when it was taken. */
async function flood(runId: string, { mostWaiting = Infinity } = {}): Promise<Flood> {
  await talk.team.client.messages.configure(runId, { mailbox: { limit: 100_000 } });
  await start(runId);
  const handle = talk.team.temporal.workflow.getHandle(busIdOf(runId));
  const logged = async (): Promise<number> => (await talk.team.client.messages.counts(runId)).logged;
  let over = false;
  let sent = 0;
  let known = 0;
  let looking: Promise<void> | undefined;
  /** One looks for all of them. */
  const room = (): Promise<void> =>
    (looking ??= until(async () => over || sent - (known = await logged()) < mostWaiting).then(() => {
      looking = undefined;
    }));
  const send = async (publisher: string): Promise<void> => {
    for (let from = 1; !over; from += 1) {
      while (!over && sent - known >= mostWaiting) await room();
      if (over) return;
      await handle.signal('bus.deliver', { publisher, from, items: [note(from)] });
      sent += 1;
    }
  };
  const sending = Promise.all(Array.from({ length: 40 }, (_, index) => send(`client:s${index}`)));
  const end = async (): Promise<void> => {
    over = true;
    await sending;
    await until(async () => (await logged()) === sent);
    for (const contents of bySender(await talk.log(runId)).values())
      expect(contents).toEqual(contents.map((_, index) => index + 1));
  };
  return { sent: () => sent, logged, end };
}

/** How many executions a workflow has had: each but the last continued as new. */
async function executionsOf(workflowId: string): Promise<number> {
  const { workflow, workflowService, options } = talk.team.temporal;
  let { runId } = await workflow.getHandle(workflowId).describe();
  for (let count = 0; ; count += 1) {
    if (runId === '') return count;
    // One event: what the others hold may be more than a client takes at once.
    const { history } = await workflowService.getWorkflowExecutionHistory({
      namespace: options.namespace,
      execution: { workflowId, runId },
      maximumPageSize: 1,
    });
    const started = history?.events?.[0]?.workflowExecutionStartedEventAttributes;
    runId = started?.continuedExecutionRunId ?? '';
  }
}

test('every observer sees the one order', async () => {
  const runId = await talk.run();
  const observers = ['beta', 'gamma'].map((member) => talk.buses.reader({ ...key(runId), member }));
  const senders = await Promise.all(
    ['a', 'b', 'c'].map((name) => talk.buses.outsider({ ...key(runId), publisher: `client:${name}` })),
  );
  const broadcast = { broadcast: true as const, type: 'inform' };
  await Promise.all(
    senders.flatMap((sender) =>
      Array.from({ length: 100 }, (_, index) => sender.send({ ...broadcast, content: index })),
    ),
  );
  const seen = await Promise.all(
    observers.map((observer) => observer.receiveMany(1_000, { timeoutMs: 10_000 })),
  );
  const log = await talk.log(runId);
  for (const messages of seen) expect(messages.map(({ id }) => id)).toEqual(log.map(({ id }) => id));
  for (const observer of observers) observer[Symbol.dispose]();
});

test(
  'every message that was acknowledged by a slow database is in the log, once and in order',
  async () => {
    await using _ = await slowDatabase(0.4);
    for (let run = 0; run < (LONG ? 20 : 2); run += 1) {
      const runId = await talk.run();
      const acknowledged = await acknowledgedIn(runId);
      const log = await talk.log(runId);
      expect(log.map(({ id }) => id).toSorted()).toEqual(acknowledged.toSorted());
      for (const contents of bySender(log).values())
        expect(contents).toEqual(contents.map((_content, index) => index));
      await talk.team.client.cancel(runId);
    }
  },
  LONG ? 900_000 : 120_000,
);

/** Makes every call that writes messages take so long. */
async function slowDatabase(seconds: number): Promise<AsyncDisposable> {
  const { databaseAdminUrl } = talk.team;
  await asAdmin(
    databaseAdminUrl,
    `create function ensemble.slowly() returns trigger language plpgsql as
       'begin perform pg_sleep(${seconds}); return null; end';
     create trigger slowly after insert on ensemble.agent_messages for each statement execute function ensemble.slowly()`,
  );
  const drop = 'drop trigger slowly on ensemble.agent_messages; drop function ensemble.slowly()';
  return { [Symbol.asyncDispose]: () => asAdmin(databaseAdminUrl, drop) };
}

/** The ids of what twenty senders were told is in the log. */
async function acknowledgedIn(runId: string): Promise<readonly string[]> {
  const senders = Array.from({ length: 20 }, (_, index) => `client:s${index}`);
  const acknowledged = await Promise.all(
    senders.map(async (publisher) => {
      using sender = await talk.buses.outsider({ ...key(runId), publisher });
      const ids: string[] = [];
      for (let from = 0; from < 40; from += 10) {
        const numbers = Array.from({ length: 10 }, (_, index) => from + index);
        ids.push(...(await Promise.all(numbers.map((number) => sender.send(note(number, 'gamma'))))));
      }
      return ids;
    }),
  );
  return acknowledged.flat();
}
