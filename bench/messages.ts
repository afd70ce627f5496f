import { setTimeout as sleep } from 'node:timers/promises';
import { uuidv7 } from 'uuidv7';
import { busIdOf } from '../src/core/ids';
import { LOCAL_TENANT_ID } from '../src/protocol/run';
import { busHistoryOf } from './bus-history';
import { type Benchmark, type Figure, figure } from './figures';
import { type Hall, members, names, openHall, startRun, startRunOf } from './hall';
import { durabilityOf, withPostgres } from './postgres';
import { type Rig, startRig } from './rig';
import { BODY, type Cast, startTalking, type Talking } from './talking';
import { startTalkingApart } from './talking-apart';

const PAIRS = 10;
const CURVE = [1, 2, 10, 20, 50];
const MEASURED_MS = 30_000;
const CURVE_MS = 4_000;
const SINGLE_MS = 10_000;
const WARM_UP_MS = 2_000;
const TENANT = LOCAL_TENANT_ID;

/** How many messages a second come all the way: logged, delivered, read, and the reading committed. */
export const messages: Benchmark = {
  name: 'messages',
  async run(log) {
    await using rig = await startRig(log, { agents: members(Math.max(...CURVE) / 2) });
    await using hall = openHall(rig);
    log(`  postgresql   ${await withPostgres(rig.databaseAdminUrl, durabilityOf)}`);
    const layout = layoutOf(2 * PAIRS);
    const whole = await measure(hall, layout, MEASURED_MS);
    const apart = await measure(hall, { ...layout, apart: true }, MEASURED_MS);
    const bare = await bareInserts(rig);
    const { events } = await busHistoryOf(rig, whole.runId);
    const single = await oneByOne(hall);
    log(`  messages     ${whole.rate.toFixed(0)}/s read and committed, 10 to 10, 200 bytes each`);
    log(`  one signal   ${single.toFixed(0)}/s with a signal for each message`);
    log(
      `  apart        ${apart.rate.toFixed(0)}/s with the senders in one process and the receivers in another`,
    );
    for (const agents of CURVE) {
      const { rate } = await measure(hall, layoutOf(agents), CURVE_MS);
      log(`  ${String(agents).padStart(2)} ${agents === 1 ? 'agent ' : 'agents'}    ${rate.toFixed(0)}/s`);
    }
    return figures({ rate: whole.rate, apart: apart.rate, bare, single, events: events / whole.logged });
  },
};

interface Measured {
  readonly rate: number;
  readonly apart: number;
  readonly bare: number;
  readonly single: number;
  readonly events: number;
}

function figures({ rate, apart, bare, single, events }: Measured): readonly Figure[] {
  return [
    figure({
      name: 'messages.throughput',
      ours: rate,
      reference: bare,
      unit: 'messages/s (reference: bare rows into PostgreSQL, 500 a statement)',
      target: 'ours >= 10000',
    }),
    figure({
      name: 'messages.throughput_apart',
      ours: apart,
      reference: rate,
      unit: 'messages/s, senders and receivers in processes of their own (reference: all in one)',
      target: 'ours >= 6000',
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

/** Who talks in one run, and in how many processes. */
interface Layout {
  readonly senders: readonly string[];
  readonly receivers: readonly string[];
  readonly apart?: boolean;
}

/** So many senders and as many receivers; one agent alone talks to itself. */
function layoutOf(agents: number): Layout {
  if (agents === 1) return { senders: names('s', 1), receivers: names('s', 1) };
  return { senders: names('s', agents / 2), receivers: names('r', agents / 2) };
}

/** How fast they talk, for a while after they have warmed up. */
async function measure(hall: Hall, layout: Layout, forMs: number) {
  const runId = await startRunOf(hall, [...new Set([...layout.senders, ...layout.receivers])]);
  const talking = await startLayout(hall, runId, layout);
  await sleep(WARM_UP_MS);
  const [before, since] = [await consumed(hall, runId), performance.now()];
  await sleep(forMs);
  const [after, ms] = [await consumed(hall, runId), performance.now() - since];
  for (const part of talking) await part.silence();
  for (const part of talking) await part.end();
  const { logged } = await hall.rig.client.messages.counts(runId);
  await hall.rig.client.cancel(runId);
  return { runId, logged, rate: ((after - before) / ms) * 1_000 };
}

async function startLayout(hall: Hall, runId: string, layout: Layout): Promise<readonly Talking[]> {
  const [senders, receivers] = [[...layout.senders], [...layout.receivers]];
  const all: Cast = { runId, senders, receivers, to: receivers };
  if (layout.apart !== true) return [await startTalking(hall, all)];
  const { environment } = hall.rig;
  return [
    await startTalkingApart(environment, { ...all, senders: [] }),
    await startTalkingApart(environment, { ...all, receivers: [] }),
  ];
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
