import { setTimeout as sleep } from 'node:timers/promises';
import { uuidv7 } from 'uuidv7';
import type { AgentBus } from '../src/activities/bus/agent-bus';
import { busIdOf } from '../src/core/ids';
import { LOCAL_TENANT_ID } from '../src/protocol/run';
import { type Benchmark, type Figure, figure } from './figures';
import { attend, type Hall, members, names, openHall, startRun } from './hall';
import { durabilityOf, withPostgres } from './postgres';
import { type Rig, startRig } from './rig';

const PAIRS = 10;
const MOST_PAIRS = 25;
const MEASURED_MS = 30_000;
const CURVE_MS = 4_000;
const SINGLE_MS = 10_000;
const WARM_UP_MS = 2_000;
/** Messages that a sender has on their way at once. */
const IN_FLIGHT = 600;
const BODY = 'Three open issues: delivery times, invoices, and the warranty terms that were agreed in March. '
  .repeat(3)
  .slice(0, 200);
const TENANT = LOCAL_TENANT_ID;

/** How many messages a second come all the way: logged, delivered, read, and the reading committed. */
export const messages: Benchmark = {
  name: 'messages',
  async run(log) {
    await using rig = await startRig(log, members(MOST_PAIRS));
    await using hall = openHall(rig);
    log(`  postgresql   ${await withPostgres(rig.databaseAdminUrl, durabilityOf)}`);
    const whole = await measure(hall, PAIRS, MEASURED_MS);
    const bare = await bareInserts(rig);
    const events = (await eventsOf(rig, whole.runId)) / whole.logged;
    const single = await oneByOne(hall);
    log(`  messages     ${whole.rate.toFixed(0)}/s read and committed, 10 to 10, 200 bytes each`);
    log(`  one signal   ${single.toFixed(0)}/s with a signal for each message`);
    for (const pairs of [1, 5, PAIRS, MOST_PAIRS]) {
      const { rate } = await measure(hall, pairs, CURVE_MS);
      log(`  ${String(pairs * 2).padStart(2)} agents    ${rate.toFixed(0)}/s`);
    }
    return figures({ rate: whole.rate, bare, single, events });
  },
};

interface Measured {
  readonly rate: number;
  readonly bare: number;
  readonly single: number;
  readonly events: number;
}

function figures({ rate, bare, single, events }: Measured): readonly Figure[] {
  return [
    figure({
      name: 'messages.throughput',
      ours: rate,
      reference: bare,
      unit: 'messages/s (reference: bare rows into PostgreSQL, 500 a statement)',
      target: 'ours >= 10000',
    }),
    figure({
      name: 'messages.vs_single',
      ours: rate,
      reference: single,
      unit: 'messages/s',
      target: 'ratio >= 15',
    }),
    figure({
      name: 'messages.events_per_message',
      ours: events,
      // Received, scheduled, started, completed: what a signal of its own costs at least.
      reference: 3.5,
      unit: 'history events',
      target: 'ours <= 0.1',
    }),
  ];
}

/** So many senders and receivers in one run, for a while after they have warmed up. */
async function measure(hall: Hall, pairs: number, forMs: number) {
  const runId = await startRun(hall, pairs);
  let over = false;
  const senders = await Promise.all(names('s', pairs).map((name) => attend(hall, { runId, name })));
  const receivers = await Promise.all(names('r', pairs).map((name) => attend(hall, { runId, name })));
  const sending = senders.map((bus, index) => send(bus, index, { pairs, isOver: () => over }));
  const receiving = receivers.map((bus) => receive(bus, () => over));
  await sleep(WARM_UP_MS);
  const [before, since] = [await consumed(hall, runId), performance.now()];
  await sleep(forMs);
  const [after, ms] = [await consumed(hall, runId), performance.now() - since];
  over = true;
  await Promise.all(sending);
  await Promise.all(receiving);
  const { logged } = await hall.rig.client.messages.counts(runId);
  for (const bus of [...senders, ...receivers]) bus[Symbol.dispose]();
  await hall.rig.client.cancel(runId);
  return { runId, logged, rate: ((after - before) / ms) * 1_000 };
}

async function send(
  bus: AgentBus,
  index: number,
  { pairs, isOver }: { readonly pairs: number; readonly isOver: () => boolean },
): Promise<void> {
  let underWay = 0;
  let room: (() => void) | undefined;
  const arrived = (): void => {
    underWay -= 1;
    room?.();
  };
  for (let count = index; !isOver(); count += 1) {
    underWay += 1;
    void bus.send(`r${count % pairs}`, BODY).then(arrived);
    if (underWay >= IN_FLIGHT) await new Promise<void>((resolve) => (room = resolve));
  }
  await bus.drained();
}

async function receive(bus: AgentBus, isOver: () => boolean): Promise<void> {
  for (;;) {
    const { length } = await bus.receiveMany(1_000, { timeoutMs: 500 });
    await bus.commit();
    if (length === 0 && isOver()) return;
  }
}

/** The mistake to avoid: a signal for each message, each sender with one under way. */
async function oneByOne(hall: Hall): Promise<number> {
  const runId = await startRun(hall, PAIRS);
  const { temporal } = hall.rig;
  const handle = await temporal.workflow.signalWithStart('messageBus', {
    workflowId: busIdOf(runId),
    taskQueue: hall.rig.environment['ENSEMBLE_TASK_QUEUE'] ?? 'ensemble',
    args: [{ tenantId: TENANT, runId }],
    signal: 'bus.deliver',
    signalArgs: [],
  });
  const until = performance.now() + SINGLE_MS;
  const senders = names('client:s', PAIRS).map(async (publisher, index) => {
    for (let from = 1; performance.now() < until; from += 1) {
      const items = [{ to: `r${(index + from) % PAIRS}`, type: 'inform', content: BODY }];
      await handle.signal('bus.deliver', { publisher, from, items });
    }
  });
  await Promise.all(senders);
  const { logged } = await hall.rig.client.messages.counts(runId);
  await hall.rig.client.cancel(runId);
  return (logged / SINGLE_MS) * 1_000;
}

async function consumed({ rig }: Hall, runId: string): Promise<number> {
  const { mailboxes } = await rig.client.messages.counts(runId);
  return mailboxes.reduce((sum, mailbox) => sum + mailbox.consumed, 0);
}

/** Of a run's bus, over every time that it continued as new. */
async function eventsOf({ temporal }: Rig, runId: string): Promise<number> {
  const workflowId = busIdOf(runId);
  const { raw } = await temporal.workflow.getHandle(workflowId).describe();
  let events = 0;
  let next = raw.workflowExecutionInfo?.firstRunId ?? undefined;
  while (next !== undefined && next !== '') {
    events += (await temporal.workflow.getHandle(workflowId, next).describe()).historyLength;
    const { history } = await temporal.workflowService.getWorkflowExecutionHistoryReverse({
      namespace: temporal.options.namespace,
      execution: { workflowId, runId: next },
      maximumPageSize: 1,
    });
    const last = history?.events?.[0]?.workflowExecutionContinuedAsNewEventAttributes;
    next = last?.newExecutionRunId ?? undefined;
  }
  return events;
}

/** What PostgreSQL alone does with rows of this size: one statement for 500 of them, one after the other. */
async function bareInserts({ databaseAdminUrl }: Rig): Promise<number> {
  return withPostgres(databaseAdminUrl, async (client) => {
    await client.query('create table bench_rows (run uuid, seq bigint, body text, primary key (run, seq))');
    const run = uuidv7();
    const until = performance.now() + 5_000;
    let seq = 0;
    while (performance.now() < until) {
      await client.query('insert into bench_rows select $1, $2 + n, $3 from generate_series(1, 500) n', [
        run,
        seq,
        BODY,
      ]);
      seq += 500;
    }
    return seq / 5;
  });
}
