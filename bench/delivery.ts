import { hrtime } from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { busIdOf } from '../src/core/ids';
import { startDistantReader } from './distant-reader';
import { type Benchmark, type Figure, figure, percentile } from './figures';
import { attend, type Hall, members, openHall, startRun } from './hall';
import { withNotifications } from './postgres';
import { type Rig, startRig } from './rig';

const WARM_UP = 20;
const MESSAGES = 300;
/** As agents talk: one message, and then something else. */
const PAUSE_MS = 10;
const LIE_DOWN_MS = 5;

/** How long a message is on its way, from `send` to the `receive` that gives it, and what its way is made of. */
export const delivery: Benchmark = {
  name: 'delivery',
  async run(log) {
    await using rig = await startRig(log, { agents: members(1) });
    await using hall = openHall(rig);
    const local = await measureLocal(hall);
    const remote = await measureRemote(hall);
    const signals = await signalTimes(rig, remote.runId);
    const notifications = await notifyTimes(rig);
    for (const { runId } of [local, remote]) await rig.client.cancel(runId);
    return [
      ...figures({ where: 'local', ours: local.times, ...notifications }, LOCAL),
      ...figures({ where: 'remote', ours: remote.times, ...signals }, REMOTE),
    ];
  },
};

/** By percentile. */
type Targets = readonly (readonly [number, string])[];
const LOCAL: Targets = [
  [50, 'ours < 1'],
  [99, 'ours < 10'],
];
const REMOTE: Targets = [
  [50, 'ours < 60'],
  [95, 'ours < 200'],
];

interface Delivered extends Reference {
  readonly where: 'local' | 'remote';
  readonly ours: readonly number[];
}

function figures({ where, ours, unit, times }: Delivered, targets: Targets): readonly Figure[] {
  return targets.map(([p, target]) =>
    figure({
      name: `delivery.${where}_p${p}_ms`,
      ours: percentile(ours, p),
      reference: percentile(times, p),
      unit,
      target,
    }),
  );
}

/** One message at a time, from one member to another of its process. */
async function measureLocal(hall: Hall): Promise<Measured> {
  const runId = await startRun(hall, 1);
  using sender = await attend(hall, { runId, name: 's0' });
  using receiver = await attend(hall, { runId, name: 'r0' });
  const times: number[] = [];
  for (let count = 0; count < WARM_UP + MESSAGES; count += 1) {
    const received = receiver.receive({ timeoutMs: 10_000 });
    // The reader lies down first.
    await sleep(LIE_DOWN_MS);
    const since = performance.now();
    const sent = sender.send('r0', count);
    const message = await received;
    if (count >= WARM_UP) times.push(performance.now() - since);
    if (message?.content !== count) throw new Error(`expected message ${count}`);
    await sent;
    await receiver.commit();
    await sleep(PAUSE_MS);
  }
  return { runId, times };
}

/** The same, to a member in another process. */
async function measureRemote(hall: Hall): Promise<Measured> {
  const runId = await startRun(hall, 1);
  using sender = await attend(hall, { runId, name: 's0' });
  await using reader = await startDistantReader(hall.rig.environment, { runId, name: 'r0' });
  const times: number[] = [];
  for (let count = 0; count < WARM_UP + MESSAGES; count += 1) {
    const reading = reader.read();
    await sleep(LIE_DOWN_MS);
    const since = hrtime.bigint();
    const sent = sender.send('r0', count);
    const message = await reading;
    if (message.content !== count) throw new Error(`expected message ${count}`);
    if (count >= WARM_UP) times.push(Number(BigInt(message.atNs) - since) / 1e6);
    await sent;
    await sleep(PAUSE_MS);
  }
  return { runId, times };
}

interface Measured {
  readonly runId: string;
  readonly times: readonly number[];
}

interface Reference {
  readonly unit: string;
  readonly times: readonly number[];
}

/** What Temporal alone takes to accept one signal without anything in it. */
async function signalTimes({ temporal }: Rig, runId: string): Promise<Reference> {
  const handle = temporal.workflow.getHandle(busIdOf(runId));
  const times = await timed(() => handle.signal('bus.deliver'));
  return { unit: 'ms (reference: one bare signal, acknowledged)', times };
}

/** What PostgreSQL alone takes from a notification to whoever listens, over two connections. */
async function notifyTimes({ databaseAdminUrl }: Rig): Promise<Reference> {
  const times = await withNotifications(databaseAdminUrl, timed);
  return { unit: 'ms (reference: a bare NOTIFY, heard)', times };
}

async function timed(work: () => Promise<unknown>): Promise<readonly number[]> {
  const times: number[] = [];
  for (let count = 0; count < WARM_UP + MESSAGES; count += 1) {
    const since = performance.now();
    await work();
    if (count >= WARM_UP) times.push(performance.now() - since);
    await sleep(PAUSE_MS);
  }
  return times;
}
