import type { RunRequestInput } from '../src/protocol/run';
import { type Benchmark, type Figure, figure, median } from './figures';
import { type Rig, startRig } from './rig';

const RUNS = 100;
const AGENTS = 5;
const FANOUT = 200;
const WARM_UP = 1;
// One measurement differs from the next by a tenth and more: the median of few says little.
const ROUNDS = 8;

/** Many runs at once, and one run of many agents at once, each beside the same in bare Temporal. */
export const runs: Benchmark = {
  name: 'runs',
  async run(log) {
    await using rig = await startRig(log);
    return [await throughput(rig, log), await fanout(rig, log)];
  },
};

async function throughput(rig: Rig, log: (line: string) => void): Promise<Figure> {
  const agents = Array.from({ length: AGENTS }, () => 'noop');
  const request: RunRequestInput = { task: 'bench', plan: { strategy: 'sequential', agents } };
  const pairs = await measured({
    ours: () => allOf(() => oursDone(rig, request)),
    bare: () => allOf(() => bareDone(rig, 'bareSequence', AGENTS)),
  });
  const ours = median(pairs.map((pair) => (RUNS * 1_000) / pair.ours));
  const reference = median(pairs.map((pair) => (RUNS * 1_000) / pair.bare));
  const ratio = median(pairs.map((pair) => pair.bare / pair.ours));
  log(`  throughput   ours ${ours.toFixed(1)} runs/s, bare ${reference.toFixed(1)} workflows/s`);
  const target = 'ratio >= 0.8';
  return { ...figure({ name: 'runs.throughput', ours, reference, unit: 'runs/s', target }), ratio };
}

async function fanout(rig: Rig, log: (line: string) => void): Promise<Figure> {
  const agents = Array.from({ length: FANOUT }, () => 'noop');
  const request: RunRequestInput = { task: 'bench', plan: { strategy: 'parallel', agents } };
  const pairs = await measured({
    ours: () => oursDone(rig, request),
    bare: () => bareDone(rig, 'bareFanout', FANOUT),
  });
  const ours = median(pairs.map((pair) => pair.ours / FANOUT));
  const reference = median(pairs.map((pair) => pair.bare / FANOUT));
  const ratio = median(pairs.map((pair) => pair.ours / pair.bare));
  log(`  fan-out      ours ${ours.toFixed(2)} ms per agent, bare ${reference.toFixed(2)} ms per activity`);
  const target = 'ratio <= 1.4';
  return { ...figure({ name: 'runs.fanout', ours, reference, unit: 'ms per agent', target }), ratio };
}

interface Pair<T> {
  readonly ours: T;
  readonly bare: T;
}

/**
 * Times both twice a round, in the order a, b, b, a. In a fan-out every second one takes a third longer, whatever it is of (the
 * collectors of the processes come round that often): in plain turns it would be the same one each time.
 */
async function measured({ ours, bare }: Pair<() => Promise<unknown>>): Promise<Pair<number>[]> {
  const pairs: Pair<number>[] = [];
  for (let round = 0; round < WARM_UP + ROUNDS; round += 1) {
    const outer = [await timed(ours)];
    const inner = [await timed(bare), await timed(bare)];
    outer.push(await timed(ours));
    if (round >= WARM_UP) pairs.push({ ours: mean(outer), bare: mean(inner) });
  }
  return pairs;
}

function mean(times: readonly number[]): number {
  return times.reduce((sum, ms) => sum + ms, 0) / times.length;
}

function allOf(run: () => Promise<unknown>): Promise<unknown> {
  return Promise.all(Array.from({ length: RUNS }, run));
}

async function oursDone({ client, temporal }: Rig, request: RunRequestInput): Promise<unknown> {
  const { workflowId } = await client.start(request);
  return await temporal.workflow.getHandle(workflowId).result();
}

function bareDone({ temporal, bareQueue }: Rig, workflow: string, count: number): Promise<unknown> {
  const workflowId = `bare-${crypto.randomUUID()}`;
  return temporal.workflow.execute(workflow, { workflowId, taskQueue: bareQueue, args: [count] });
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const since = performance.now();
  await work();
  return performance.now() - since;
}
