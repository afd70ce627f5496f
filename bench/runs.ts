import type { Client, WorkflowStartOptions } from '@temporalio/client';
import { createClient } from '../src/client/connect';
import type { EnsembleClient } from '../src/client/ensemble-client';
import type { RunRequestInput } from '../src/protocol/run';
import { type Benchmark, type Figure, figure, median, medianRatio } from './figures';
import { measured } from './measured';
import { type Rig, startRig } from './rig';

const RUNS = 100;
const AGENTS = 5;
const FANOUT = 200;
// One measurement differs from the next by a tenth and more: the median of few says little.
const ROUNDS = { warmUp: 1, counted: 8 };

/** Many runs at once, and one run of many agents at once, each beside the same in bare Temporal. */
export const runs: Benchmark = {
  name: 'runs',
  anywhere: true,
  async run(log, given) {
    await using rig = await startRig(log, { given });
    return [await throughput(rig, log), await fanout(rig, log)];
  },
};

/**
 * Ours from the worker's process, where a run's first workflow task needs no queue, against workflows started as the SDK does by
 * itself. Printed beside it: ours from another process, and workflows that are started eagerly too.
 */
async function throughput(rig: Rig, log: (line: string) => void): Promise<Figure> {
  const agents = Array.from({ length: AGENTS }, () => 'noop');
  const request: RunRequestInput = { task: 'bench', plan: { strategy: 'sequential', agents } };
  await using distantClient = await createClient({ environment: rig.environment });
  const sequence = { taskQueue: rig.bareQueue, args: [AGENTS] };
  const times = await measured(ROUNDS, {
    ours: () => allOf(() => oursDone(rig, rig.client, request)),
    bare: () => allOf(() => bareDone(rig.temporal, 'bareSequence', sequence)),
    distant: () => allOf(() => oursDone(rig, distantClient, request)),
    eager: () =>
      allOf(() => bareDone(rig.eagerTemporal, 'bareSequence', { ...sequence, requestEagerStart: true })),
  });
  const rate = (ms: readonly number[]): number => median(ms.map((one) => (RUNS * 1_000) / one));
  const [ours, reference] = [rate(times.ours), rate(times.bare)];
  log(`  throughput   ours ${ours.toFixed(1)} runs/s, bare ${reference.toFixed(1)} workflows/s`);
  log(
    `               ours from another process ${rate(times.distant).toFixed(1)} runs/s, ratio ${medianRatio(times.bare, times.distant).toFixed(3)}`,
  );
  log(
    `               bare started eagerly ${rate(times.eager).toFixed(1)} workflows/s, ratio of ours ${medianRatio(times.eager, times.ours).toFixed(3)}`,
  );
  const target = 'ratio >= 0.8';
  return {
    ...figure({ name: 'runs.throughput', ours, reference, unit: 'runs/s', target }),
    ratio: medianRatio(times.bare, times.ours),
  };
}

async function fanout(rig: Rig, log: (line: string) => void): Promise<Figure> {
  const agents = Array.from({ length: FANOUT }, () => 'noop');
  const request: RunRequestInput = { task: 'bench', plan: { strategy: 'parallel', agents } };
  const times = await measured(ROUNDS, {
    ours: () => oursDone(rig, rig.client, request),
    bare: () => bareDone(rig.temporal, 'bareFanout', { taskQueue: rig.bareQueue, args: [FANOUT] }),
  });
  const [ours, reference] = [median(times.ours) / FANOUT, median(times.bare) / FANOUT];
  log(`  fan-out      ours ${ours.toFixed(2)} ms per agent, bare ${reference.toFixed(2)} ms per activity`);
  const target = 'ratio <= 1.4';
  return {
    ...figure({ name: 'runs.fanout', ours, reference, unit: 'ms per agent', target }),
    ratio: medianRatio(times.ours, times.bare),
  };
}

function allOf(run: () => Promise<unknown>): Promise<unknown> {
  return Promise.all(Array.from({ length: RUNS }, run));
}

async function oursDone(
  { temporal }: Rig,
  client: EnsembleClient,
  request: RunRequestInput,
): Promise<unknown> {
  const { workflowId } = await client.start(request);
  return await temporal.workflow.getHandle(workflowId).result();
}

type BareOptions = Omit<WorkflowStartOptions, 'workflowId'>;

function bareDone(temporal: Client, workflow: string, options: BareOptions): Promise<unknown> {
  return temporal.workflow.execute(workflow, { ...options, workflowId: `bare-${crypto.randomUUID()}` });
}
