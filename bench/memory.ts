import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { ALLOCATOR } from '../src/cli/allocator';
import { createClient } from '../src/client/connect';
import type { EnsembleClient } from '../src/client/ensemble-client';
import { connectClient, temporalTarget } from '../src/runtime/temporal';
import { Cleanup } from '../src/runtime/cleanup';
import { busHistoryOf } from './bus-history';
import { Heard } from './chatting';
import { type Benchmark, type Figure, figure } from './figures';
import { growthOf, startCollecting } from './growth';
import { names } from './hall';
import { startServers } from './rig';

const PAIRS = 5;
const MESSAGES = 200_000;
/** Of all speakers together: 200,000 messages take 500 s. */
const PER_SECOND = 400;
const IDLE_MS = 40_000;
/** What V8 and glibc keep for themselves goes on growing for minutes, though what is in use does not grow after the first. */
const WARM_UP_MS = 240_000;
const MEASURED_MS = 240_000;

/** Whether a worker grows while the members of a run talk for long. */
export const memory: Benchmark = {
  name: 'memory',
  async run(log) {
    await using cleanup = new Cleanup();
    const { environment } = await startServers(log, cleanup);
    const env = { ...environment, ...ALLOCATOR, BENCH_PAIRS: String(PAIRS) };
    const worker = await startCollecting(join(__dirname, 'chatting-worker.js'), env, cleanup);
    const client = cleanup.use(await createClient({ environment }));
    const temporal = await connectClient(temporalTarget(environment));
    cleanup.defer(() => temporal.connection.close());
    const idle = await growthOf(worker, IDLE_MS);
    const runId = await startChat(client);
    await sleep(WARM_UP_MS);
    const talking = await growthOf(worker, MEASURED_MS);
    const { read, wrong, again } = await readIn(client, runId);
    const { executions } = await busHistoryOf({ temporal }, runId);
    log(
      `  memory       ${read} messages read over ${executions} executions of the bus, ${wrong} twice or out of order; worker ${talking.lastMb.toFixed(0)} MB`,
    );
    for (const line of again) log(`  memory       ${line}`);
    return figures({
      missing: MESSAGES - read + wrong,
      idle: idle.mbPerMinute,
      talking: talking.mbPerMinute,
    });
  },
};

async function startChat(client: EnsembleClient): Promise<string> {
  const count = MESSAGES / PAIRS;
  const timeoutMs = 3_600_000;
  const to = names('r', PAIRS);
  const speakers = names('s', PAIRS).map((agent) => ({
    type: 'agent' as const,
    agent,
    input: { count, to, perSecond: PER_SECOND / PAIRS },
    timeoutMs,
  }));
  const hearers = to.map((agent) => ({ type: 'agent' as const, agent, input: { count }, timeoutMs }));
  const { runId } = await client.start({
    task: 'chat',
    plan: { type: 'parallel', steps: [...speakers, ...hearers], aggregate: 'concat' },
  });
  return runId;
}

/** What counts as read, whichever attempt read it; what hearers say was wrong; and whose attempts failed. */
async function readIn(client: EnsembleClient, runId: string) {
  const { output, agents } = await client.result(runId);
  const outputs = z.array(z.union([z.number(), Heard])).parse(output);
  const wrong = outputs.reduce<number>((sum, one) => sum + (typeof one === 'object' ? one.wrong : 0), 0);
  const { mailboxes, dead } = await client.messages.counts(runId);
  const read = mailboxes.reduce((sum, { consumed }) => sum + consumed, 0);
  const again = agents
    .filter(({ attempts }) => attempts > 1)
    .map((one) => `${one.agent}: ${one.attempts} attempts`);
  for await (const { type, agent, data } of client.events(runId))
    if (type === 'agent.attempt-failed') again.push(`${agent}: ${JSON.stringify(data)}`);
  if (dead > 0) again.push(`${dead} dead letters`);
  return { read, wrong, again };
}

interface Measured {
  readonly missing: number;
  readonly idle: number;
  readonly talking: number;
}

function figures({ missing, idle, talking }: Measured): readonly Figure[] {
  return [
    figure({
      name: 'memory.messages_lost',
      ours: missing,
      reference: MESSAGES,
      unit: 'messages lost, twice or out of order',
      target: 'ours = 0',
    }),
    figure({
      name: 'memory.rss_slope_mb_per_min',
      ours: talking,
      reference: idle,
      unit: 'MB/min, reference idle',
      target: 'ours <= 1',
    }),
  ];
}
