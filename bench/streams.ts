import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from '../src/client/connect';
import type { EnsembleClient } from '../src/client/ensemble-client';
import { Cleanup } from '../src/runtime/cleanup';
import { type Benchmark, type Figure, figure, median, percentile } from './figures';
import { growthOf, startCollecting } from './growth';
import { withNotifications } from './postgres';
import { startServers } from './rig';
import { nowMs, startStreamProvider, type StreamProvider, tokensIn } from './stream-provider';

const WORKER = join(__dirname, '..', 'worker.js');
/** As fast as a model writes, as many as a few people watch. */
const WATCHED = { streams: 20, pace: { tokens: 200, everyMs: 25 } };
/** Many at once, for as long as a figure takes; each is followed by the next. */
const CROWD = { streams: 200, pace: { tokens: 240, everyMs: 250 } };
const WARM_UP_MS = 180_000;
const MEASURED_MS = 300_000;
const IDLE_MS = 40_000;
const ROUNDS = 5;
const ROUND_TRIPS = 200;

/** How soon a token is seen that a model says, and what many streams at once cost a worker. */
export const streams: Benchmark = {
  name: 'streams',
  async run(log) {
    await using cleanup = new Cleanup();
    const stage = await setStage(cleanup, log);
    const visible = await visibility(stage, log);
    return [visible, ...(await crowd(stage, log))];
  },
};

interface Stage {
  readonly client: EnsembleClient;
  readonly provider: StreamProvider;
  readonly worker: ChildProcess;
  readonly databaseUrl: string;
}

/** One worker in a process of its own; provider and readers are in this one, so that they share a clock. */
async function setStage(cleanup: Cleanup, log: (line: string) => void): Promise<Stage> {
  const { environment, databaseUrl } = await startServers(log, cleanup);
  const provider = cleanup.use(await startStreamProvider(WATCHED.pace));
  const env = {
    ...environment,
    ENSEMBLE_MODEL_PROVIDER: 'openai-compatible',
    OPENAI_BASE_URL: provider.url,
    OPENAI_API_KEY: 'bench',
    ENSEMBLE_MODEL: 'bench',
    ENSEMBLE_MAX_CONCURRENT_AGENTS: String(CROWD.streams),
    ENSEMBLE_LOG_FORMAT: 'json',
  };
  const worker = await startCollecting(WORKER, env, cleanup);
  const client = cleanup.use(await createClient({ environment: env }));
  return { client, provider, worker, databaseUrl };
}

/** What one reader saw of one stream. */
interface Seen {
  readonly lags: readonly number[];
  readonly lost: number;
  readonly twice: number;
}

/** Starts a run that streams once, and reads it to its end. */
async function follow({ client, provider }: Stage): Promise<Seen> {
  const { tokens: wanted } = provider.pace;
  const { runId } = await client.start({
    task: 'Say something',
    plan: { type: 'agent', agent: 'react', input: { tools: [] } },
  });
  let lags: number[] = [];
  let times = new Map<number, number>();
  let rest = '';
  for await (const { kind, text } of client.tokens(runId)) {
    const at = nowMs();
    if (kind === 'reset') [lags, times, rest] = [[], new Map(), ''];
    if (kind !== 'text') continue;
    const said = tokensIn(rest + text);
    rest = said.rest;
    for (const { index, atMs } of said.tokens) {
      lags.push(at - atMs);
      times.set(index, (times.get(index) ?? 0) + 1);
    }
  }
  const repeated = [...times.values()].reduce((sum, count) => sum + count - 1, 0);
  return { lags, lost: wanted - times.size, twice: repeated };
}

async function visibility(stage: Stage, log: (line: string) => void): Promise<Figure> {
  stage.provider.pace = WATCHED.pace;
  await follow(stage);
  const ours: number[] = [];
  const reference: number[] = [];
  for (let round = 1; round <= ROUNDS; round += 1) {
    const bare = await roundTrips(stage.databaseUrl);
    const seen = await Promise.all(Array.from({ length: WATCHED.streams }, () => follow(stage)));
    const lags = seen.flatMap((one) => one.lags);
    ours.push(percentile(lags, 95));
    reference.push(percentile(bare, 95));
    log(`  visible      round ${round}: ${told(lags)}; LISTEN/NOTIFY ${told(bare)}`);
  }
  return figure({
    name: 'streams.visible_p95_ms',
    ours: median(ours),
    reference: median(reference),
    unit: 'ms',
    target: 'ours <= 80',
  });
}

function told(times: readonly number[]): string {
  const [p50, p95, p99] = [50, 95, 99].map((p) => percentile(times, p).toFixed(1));
  return `p50 ${p50} ms, p95 ${p95} ms, p99 ${p99} ms of ${times.length}`;
}

/** What PostgreSQL alone takes from a notification to whoever listens. */
async function roundTrips(connectionString: string): Promise<readonly number[]> {
  return withNotifications(connectionString, async (notify) => {
    const times: number[] = [];
    for (let round = 0; round < ROUND_TRIPS; round += 1) {
      const since = performance.now();
      await notify();
      times.push(performance.now() - since);
    }
    return times;
  });
}

/** Keeps 200 streams going on the one worker; none may lose or repeat a token, and the worker must not grow. */
async function crowd(stage: Stage, log: (line: string) => void): Promise<readonly Figure[]> {
  stage.provider.pace = CROWD.pace;
  const idle = await growthOf(stage.worker, IDLE_MS);
  const seen: Seen[] = [];
  let over = false;
  const keep = async (index: number): Promise<void> => {
    // Not all in one moment: streams that begin together also end together.
    await sleep((index / CROWD.streams) * CROWD.pace.tokens * CROWD.pace.everyMs);
    while (!over) seen.push(await follow(stage));
  };
  const following = Promise.all(Array.from({ length: CROWD.streams }, (_, index) => keep(index)));
  await sleep(WARM_UP_MS);
  const { open } = stage.provider.said;
  const working = await growthOf(stage.worker, MEASURED_MS);
  over = true;
  await following;
  const lags = seen.flatMap((one) => one.lags);
  const lost = seen.reduce((sum, one) => sum + one.lost + one.twice, 0);
  log(
    `  crowd        ${open} streams at once, ${seen.length} in all, ${lost} tokens lost or twice; visible ${told(lags)}; worker ${working.lastMb.toFixed(0)} MB`,
  );
  return [
    figure({
      name: 'streams.lost',
      ours: lost,
      reference: lags.length,
      unit: `tokens of ${CROWD.streams} streams at once`,
      target: 'ours = 0',
    }),
    figure({
      name: 'streams.rss_slope_mb_per_min',
      ours: working.mbPerMinute,
      reference: idle.mbPerMinute,
      unit: 'MB/min, reference idle',
      target: 'ours <= 1',
    }),
  ];
}
