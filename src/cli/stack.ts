import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Config, type Environment, loadConfig } from '../config';
import { migrate } from '../db/migrate';
import { Cleanup } from '../runtime/cleanup';
import { dataDirOf, liveOwner, startEmbedded } from '../runtime/embedded';
import { type Ready, WorkerProcess } from './worker-process';

/** Everything a run needs, up and connected: by this process, or by another one that runs in this checkout. */
export interface Stack {
  /** What a client of it reads: where Temporal and PostgreSQL are. */
  readonly environment: Environment;
  readonly uiUrl: string | null;
  readonly dataDir: string;
  /** Null where the worker belongs to another process. */
  readonly worker: Ready | null;
  /** The process of the worker that is up now; a worker that died is replaced by another. */
  workerPid(): number | undefined;
  stop(): Promise<void>;
}

export interface StackOptions {
  readonly environment: Environment;
  readonly checkout: string;
  readonly announce: (line: string) => void;
  /** Ends a start under way; what has been started is stopped. */
  readonly signal: AbortSignal;
}

/** Starts the servers, migrates, starts a worker; attaches instead where this checkout already has them up. */
export async function bringUp({ environment, checkout, announce, signal }: StackOptions): Promise<Stack> {
  const config = loadConfig(environment);
  const dataDir = dataDirOf(checkout, config);
  const owner = await ownerOf(dataDir, announce);
  if (owner === null) return start({ environment, checkout, announce, signal }, config, dataDir);
  announce(
    `  attached     to the servers and the worker of process ${owner.pid}, which runs in this checkout`,
  );
  const { temporalAddress, databaseUrl, temporalUiUrl: uiUrl } = owner;
  const connected = { ...environment, TEMPORAL_ADDRESS: temporalAddress, DATABASE_URL: databaseUrl };
  return {
    environment: connected,
    uiUrl,
    dataDir,
    worker: null,
    workerPid: () => undefined,
    stop: async () => undefined,
  };
}

type Owner = NonNullable<ReturnType<typeof liveOwner>> & { temporalAddress: string; databaseUrl: string };

/** The process that has this data folder's servers up; one that still starts them is waited for. */
async function ownerOf(dataDir: string, announce: (line: string) => void): Promise<Owner | null> {
  for (let waited = false; ; waited = true) {
    const owner = liveOwner(dataDir);
    if (owner === null) return null;
    const { temporalAddress, databaseUrl } = owner;
    if (temporalAddress !== null && databaseUrl !== null) return { ...owner, temporalAddress, databaseUrl };
    if (!waited)
      announce(`  waiting      for process ${owner.pid}, which is starting the servers of this checkout`);
    await sleep(500);
  }
}

async function start(
  { environment, announce, signal }: StackOptions,
  config: Config,
  dataDir: string,
): Promise<Stack> {
  await using cleanup = new Cleanup();
  const servers = await startEmbedded({ config, environment, dataDir, announce, signal });
  cleanup.defer(() => servers.stop());
  signal.throwIfAborted();
  const since = Date.now();
  const { databaseAdminUrl, databaseUrl, temporalAddress } = servers;
  if (databaseAdminUrl !== null) await migrate({ adminUrl: databaseAdminUrl, appUrl: databaseUrl });
  announce(
    `  schema       ${databaseAdminUrl === null ? 'left to whoever migrates' : 'up to date'} (${elapsed(since)})`,
  );
  const connected = { ...environment, TEMPORAL_ADDRESS: temporalAddress, DATABASE_URL: databaseUrl };
  const worker = await startWorker({ connected, dataDir, announce });
  cleanup.defer(() => worker.stop());
  const owned = cleanup.move();
  return {
    environment: connected,
    uiUrl: servers.temporalUiUrl,
    dataDir,
    worker: worker.ready,
    workerPid: () => worker.pid,
    stop: () => owned[Symbol.asyncDispose](),
  };
}

interface WorkerStart {
  readonly connected: Environment;
  readonly dataDir: string;
  readonly announce: (line: string) => void;
}

async function startWorker({ connected, dataDir, announce }: WorkerStart) {
  const since = Date.now();
  mkdirSync(dataDir, { recursive: true });
  // The worker serves; the migrating role's password is none of its business.
  const { DATABASE_ADMIN_URL: _admin, ...environment } = connected;
  const logFile = join(dataDir, 'worker.log');
  const worker = await WorkerProcess.start({ environment, logFile, announce });
  const { agents, problems, model } = worker.ready;
  announce(
    `  worker       ready, process ${worker.pid}, ${agents.length} agents, log in ${logFile} (${elapsed(since)})`,
  );
  announce(`  model        ${model}`);
  for (const { file, reason } of problems) announce(`  bad agent    ${file}: ${reason}`);
  return worker;
}

function elapsed(sinceMs: number): string {
  return `${((Date.now() - sinceMs) / 1000).toFixed(1)} s`;
}
