import { type Benchmark, type Figure, figure, median, medianRatio, percentile } from './figures';
import { measured } from './measured';
import { durabilityOf, withPostgres } from './postgres';
import { type Rig, startRig } from './rig';

const AGENTS = 20;
/** So many until what runs hot is compiled; 200 make no difference beyond that of one run to the next. */
const WARM_UP = 20;
/** Two of each in a round. */
const ROUNDS = { warmUp: WARM_UP / 2, counted: 50 };
const STARTS = 60;

/** What an agent costs over a bare activity, in time and in history; what a start costs over a bare start. */
export const overhead: Benchmark = {
  name: 'overhead',
  anywhere: true,
  async run(log, given) {
    await using rig = await startRig(log, { given });
    const figures = [...(await sequential(rig, log)), ...(await startToFirst(rig, log))];
    await printWriteLatency(rig, log);
    return figures;
  },
};

async function sequential(rig: Rig, log: (line: string) => void): Promise<Figure[]> {
  const against = (taskQueue: string): Promise<Times> =>
    measured(ROUNDS, { ours: () => runOurs(rig), bare: () => runBare(rig, taskQueue) });
  const times = await against(rig.bareQueue);
  log(`  sequential   ${compared(times)}`);
  log(`               to a worker of our class: ${compared(await against(rig.alikeQueue))}`);
  return [
    {
      ...figure({
        name: 'overhead.sequential',
        ours: median(times.ours),
        reference: median(times.bare),
        unit: `ms per ${AGENTS}`,
        target: 'ratio <= 1.25',
      }),
      ratio: medianRatio(times.ours, times.bare),
    },
    figure({
      name: 'overhead.events_per_agent',
      ours: (await historyLength(rig, await runOurs(rig))) / AGENTS,
      reference: (await historyLength(rig, await runBare(rig, rig.bareQueue))) / AGENTS,
      unit: 'history events',
      target: 'ours <= 7',
    }),
  ];
}

type Times = Readonly<Record<'ours' | 'bare', readonly number[]>>;

function compared({ ours, bare }: Times): string {
  const addedMs = (median(ours) - median(bare)) / AGENTS;
  return `ours ${median(ours).toFixed(0)} ms, bare ${median(bare).toFixed(0)} ms, median ratio of pairs ${medianRatio(ours, bare).toFixed(3)}, ${addedMs.toFixed(1)} ms more an agent`;
}

/** From the call that starts to the moment the first agent, or the first activity, is under way. */
async function startToFirst(rig: Rig, log: (line: string) => void): Promise<Figure[]> {
  const ours: number[] = [];
  const bare: number[] = [];
  for (let round = 0; round < WARM_UP + STARTS; round += 1) {
    const oursMs = await firstStart(rig, async () => {
      const { workflowId } = await rig.client.start({
        task: 'bench',
        plan: { type: 'agent', agent: 'noop' },
      });
      return workflowId;
    });
    const bareMs = await firstStart(rig, async () => {
      const workflowId = `bare-${crypto.randomUUID()}`;
      await rig.temporal.workflow.start('bareSequence', { workflowId, taskQueue: rig.bareQueue, args: [1] });
      return workflowId;
    });
    if (round < WARM_UP) continue;
    ours.push(oursMs);
    bare.push(bareMs);
  }
  log(
    `  start        p95 ours ${percentile(ours, 95).toFixed(1)} ms, bare ${percentile(bare, 95).toFixed(1)} ms`,
  );
  return [
    figure({
      name: 'overhead.start_p95',
      ours: percentile(ours, 95),
      reference: percentile(bare, 95),
      unit: 'ms',
      target: 'ratio <= 1.5',
    }),
  ];
}

/** The first activity's start as its history has it, measured from before the call: one clock, since the server is local. */
async function firstStart(rig: Rig, start: () => Promise<string>): Promise<number> {
  const since = Date.now();
  const handle = rig.temporal.workflow.getHandle(await start());
  await handle.result();
  const { events } = await handle.fetchHistory();
  const started = events?.find((event) => event.activityTaskStartedEventAttributes);
  const at = started?.eventTime;
  return Number(at?.seconds ?? 0) * 1000 + Number(at?.nanos ?? 0) / 1e6 - since;
}

async function runOurs(rig: Rig): Promise<string> {
  const agents = Array.from({ length: AGENTS }, () => 'noop');
  const { workflowId } = await rig.client.start({ task: 'bench', plan: { strategy: 'sequential', agents } });
  await rig.temporal.workflow.getHandle(workflowId).result();
  return workflowId;
}

async function runBare(rig: Rig, taskQueue: string): Promise<string> {
  const workflowId = `bare-${crypto.randomUUID()}`;
  await rig.temporal.workflow.execute('bareSequence', {
    workflowId,
    taskQueue,
    args: [AGENTS],
  });
  return workflowId;
}

async function historyLength(rig: Rig, workflowId: string): Promise<number> {
  return (await rig.temporal.workflow.getHandle(workflowId).describe()).historyLength;
}

/** The original claims 5 to 10 ms per record; printed, not judged. */
async function printWriteLatency({ databaseAdminUrl }: Rig, log: (line: string) => void): Promise<void> {
  await withPostgres(databaseAdminUrl, async (client) => {
    // In a schema of its own: which one a search path leads to is the server's affair.
    await client.query('create schema bench create table written (id serial primary key, body jsonb)');
    const times: number[] = [];
    for (let i = 0; i < 200; i += 1) {
      const since = performance.now();
      await client.query('insert into bench.written (body) values ($1)', [{ text: 'x'.repeat(500) }]);
      times.push(performance.now() - since);
    }
    await client.query('drop schema bench cascade');
    log(
      `  write        one record p50 ${median(times).toFixed(2)} ms, p95 ${percentile(times, 95).toFixed(2)} ms (${await durabilityOf(client)}); the original: 5 to 10 ms`,
    );
  });
}
