import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { loadConfig } from '../../src/config';
import { migrate } from '../../src/db/migrate';
import { AppError, FAILURES } from '../../src/protocol/failures';
import type { RunResult } from '../../src/protocol/run';
import { Cleanup } from '../../src/runtime/cleanup';
import { startEmbedded } from '../../src/runtime/embedded';
import { crashAndRestart, nameOf, type RunningServer } from '../support/kills/restart';
import { stageOn, type Stage } from '../support/kills/stage';
import { expectOneStory } from '../support/kills/story';
import type { WorkerProcess } from '../support/kills/worker-process';

/** Once in every test run; often where somebody wants to know. */
const REPEATS = process.env['ENSEMBLE_TEST_LONG'] === undefined ? [1] : [1, 2, 3, 4, 5];
const RUNS = 10;
const ADDRESSES = ['1', '2', '3', '4'];
const STEP_SECONDS = 1;
/** In the middle of the second of four steps. */
const CRASH_AFTER_MS = 1_800;
const DOWN_MS = 1_000;
const QUEUE = 'servers';

const cleanup = new Cleanup();
const servers = new Map<RunningServer['name'], RunningServer>();
let stage: Stage;
let worker: WorkerProcess;

beforeAll(async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'ensemble-embedded-'));
  // PostgreSQL runs as another user where this process is root.
  chmodSync(dataDir, 0o711);
  cleanup.defer(() => rmSync(dataDir, { recursive: true, force: true }));
  const { PATH, HOME, XDG_CACHE_HOME, ENSEMBLE_CACHE_DIR } = process.env;
  const environment = { PATH, HOME, XDG_CACHE_HOME, ENSEMBLE_CACHE_DIR };
  const config = loadConfig(environment);
  const announce = (): void => undefined;
  const embedded = await startEmbedded({ config, environment, dataDir, announce, ports: 'any', ui: false });
  cleanup.defer(() => embedded.stop());
  const { temporalAddress, databaseUrl, databaseAdminUrl } = embedded;
  if (databaseAdminUrl === null) throw new Error('These servers are not our own');
  for (const pid of embedded.pids) {
    const name = nameOf(pid);
    servers.set(name, { name, pid, logFile: join(dataDir, 'logs', `${name}.log`) });
  }
  await migrate({ adminUrl: databaseAdminUrl, appUrl: databaseUrl });
  stage = cleanup.use(await stageOn({ temporalAddress, databaseUrl, databaseAdminUrl }));
  worker = stage.worker();
  await worker.serve(QUEUE);
}, 180_000);
afterAll(() => cleanup[Symbol.asyncDispose](), 60_000);

describe.each(['temporal', 'postgresql'] as const)('%s dies under ten runs and comes back', (name) => {
  test.each(REPEATS)(
    'every run completes, nothing is done twice, no process ends (%i)',
    async () => {
      const step = { type: 'agent' as const, agent: 'patient', input: { seconds: STEP_SECONDS } };
      const plan = { type: 'sequence' as const, steps: ADDRESSES.map(() => step) };
      const started = await Promise.all(
        Array.from({ length: RUNS }, (_, index) => stage.start(QUEUE, { task: `Run ${index}`, plan })),
      );
      await sleep(CRASH_AFTER_MS);
      await crash(name);
      const ends = await Promise.all(started.map(({ runId }) => resultOf(runId)));
      for (const { runId, status, failure, agents } of ends) {
        expect({ status, failure }).toEqual({ status: 'completed', failure: null });
        expect(agents.map((agent) => `${agent.address} ${agent.status}`).toSorted()).toEqual(
          ADDRESSES.map((address) => `${address} completed`),
        );
        await expectOneStory(stage.admin, runId, ADDRESSES);
        // One agent of each run was at work: it may have worked again, no other. What it did while PostgreSQL was away waited.
        const again = name === 'temporal' ? 1 : 0;
        const begun = Object.values(stage.ledger.begun(QUEUE, `run-${runId}`));
        expect(begun).toHaveLength(ADDRESSES.length);
        expect(begun.reduce((sum, times) => sum + times, 0)).toBeLessThanOrEqual(ADDRESSES.length + again);
      }
      expect(worker.hasEnded()).toBe(false);
    },
    120_000,
  );
});

async function crash(name: RunningServer['name']): Promise<void> {
  const server = servers.get(name);
  if (server === undefined) throw new Error(`${name} does not run`);
  const child = await crashAndRestart(server, DOWN_MS);
  cleanup.defer(() => child.stop());
  servers.set(name, { ...server, pid: child.mark.pid });
}

/** Asks again for as long as a server is away: that is what the failure's row says may help. */
async function resultOf(runId: string): Promise<RunResult> {
  for (;;) {
    try {
      return await stage.client.result(runId);
    } catch (error) {
      if (!AppError.is(error) || !FAILURES[error.code].retry) throw error;
      await sleep(250);
    }
  }
}
