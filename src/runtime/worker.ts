import { existsSync } from 'node:fs';
import { join } from 'node:path';

import {
  makeTelemetryFilterString,
  NativeConnection,
  Runtime,
  type Worker,
  type WorkerOptions,
} from '@temporalio/worker';
import { createActivities } from '../activities';
import { logAttributes } from '../activities/log-attributes';
import { loadAgents, type LoadedAgents, type LoadProblem } from '../agents/loader';
import type { Config, Environment } from '../config';
import { assertSafeRole, assertSchemaCurrent } from '../db/migrate';
import { createPool } from '../db/pool';
import { createRepositories } from '../db/repositories';
import { type Selection, selectProvider } from '../llm/factory';
import { AppError } from '../protocol/failures';
import type { Logger } from '../telemetry/log';
import { temporalLogger } from '../telemetry/temporal-logger';
import { registerAgents } from './catalogue';
import { Cleanup } from './cleanup';
import { dataConverter } from './data-converter';
import { startReconciler } from './reconciler';
import { connectClient, temporalTarget, temporalUnavailable, type TemporalTarget } from './temporal';
import { TolerantWorker } from './tolerant-worker';

export interface WorkerSetup {
  readonly config: Config;
  readonly environment: Environment;
  readonly log: Logger;
  /** Instead of the built-in agents and those of ENSEMBLE_AGENTS_PATH. */
  readonly agents?: LoadedAgents;
  /** Instead of the provider that the configuration selects. */
  readonly model?: Selection;
}

/** A worker that polls once `run` is called. `about` is what its owner should tell people. */
export interface RunnableWorker extends AsyncDisposable {
  readonly about: {
    readonly agents: readonly string[];
    readonly problems: readonly LoadProblem[];
    readonly model: string;
  };
  run(): Promise<void>;
  shutdown(): void;
}

const BUILT_IN_AGENTS = join(__dirname, '..', 'agents');

/** Builds a worker over Temporal and PostgreSQL: loads agents, registers them in the catalogue, takes a model provider. */
export async function createWorker(setup: WorkerSetup): Promise<RunnableWorker> {
  const { config, environment, log } = setup;
  await using cleanup = new Cleanup();
  installRuntime(log);
  const { provider, why } = setup.model ?? selectProvider(config);
  log.info({ provider: provider.name, model: provider.model }, why);
  const folders = [BUILT_IN_AGENTS, ...config.ENSEMBLE_AGENTS_PATH];
  const { agents, problems } = setup.agents ?? (await loadAgents({ folders }));
  for (const { file, reason } of problems) log.warn({ file, reason }, 'an agent was not loaded');

  const pool = createPool(requiredDatabaseUrl(config), {
    size: config.DATABASE_POOL_SIZE,
    applicationName: 'ensemble-worker',
    onError: (error) => log.warn({ err: error }, 'a database connection broke; the pool replaces it'),
  });
  cleanup.defer(() => pool.end());
  await assertSafeRole(pool);
  await assertSchemaCurrent(pool);
  const repositories = createRepositories(pool);
  await registerAgents(repositories, agents);

  const target = temporalTarget(environment);
  const client = await connectClient(target);
  cleanup.defer(() => client.connection.close());
  const connection = await connectNative(target);
  cleanup.defer(() => connection.close());
  const activities = createActivities({ repositories, agents, model: provider, client, log });
  const worker = await TolerantWorker.create({ ...workerOptions(config, target), connection, activities });
  const { ENSEMBLE_TASK_QUEUE: taskQueue } = config;
  cleanup.use(startReconciler({ repositories, temporal: client, taskQueue, log }));
  return runnable(worker, cleanup.move(), {
    agents: [...agents.keys()].toSorted(),
    problems,
    model: why,
  });
}

function workerOptions(
  config: Config,
  target: TemporalTarget,
): Omit<WorkerOptions, 'connection' | 'activities'> {
  return {
    namespace: target.namespace,
    taskQueue: config.ENSEMBLE_TASK_QUEUE,
    workflowBundle: { codePath: bundlePath() },
    dataConverter,
    interceptors: { activity: [logAttributes] },
    maxConcurrentActivityTaskExecutions: config.ENSEMBLE_MAX_CONCURRENT_AGENTS,
    shutdownGraceTime: config.ENSEMBLE_SHUTDOWN_GRACE_MS,
    // Past the grace the slots are given up; the server retries what was running elsewhere.
    shutdownForceTime: config.ENSEMBLE_SHUTDOWN_GRACE_MS + 10_000,
  };
}

function runnable(worker: Worker, resources: Cleanup, about: RunnableWorker['about']): RunnableWorker {
  return {
    about,
    run: () => worker.run(),
    shutdown: () => {
      if (worker.getState() === 'RUNNING') worker.shutdown();
    },
    [Symbol.asyncDispose]: () => resources[Symbol.asyncDispose](),
  };
}

/** The bundle that the build made: beside the compiled code, or in lib where the sources themselves run. */
function bundlePath(): string {
  const beside = join(__dirname, '..', '..', 'workflow-bundle.js');
  return existsSync(beside) ? beside : join(__dirname, '..', '..', 'lib', 'workflow-bundle.js');
}

async function connectNative(target: TemporalTarget): Promise<NativeConnection> {
  try {
    return await NativeConnection.connect(target.connectionOptions);
  } catch (cause) {
    throw temporalUnavailable(target, cause);
  }
}

let installed = false;

/** The SDK's runtime exists once per process; whoever comes second uses what is there. */
function installRuntime(log: Logger): void {
  if (installed) return;
  installed = true;
  // Signals are the entry point's business: it also has servers and children to stop.
  Runtime.install({
    logger: temporalLogger(log),
    shutdownSignals: [],
    telemetryOptions: {
      logging: { forward: {}, filter: makeTelemetryFilterString({ core: 'WARN', other: 'ERROR' }) },
    },
  });
}

function requiredDatabaseUrl({ DATABASE_URL }: Pick<Config, 'DATABASE_URL'>): string {
  if (DATABASE_URL !== undefined) return DATABASE_URL;
  throw new AppError(
    'CONFIG_INVALID',
    'DATABASE_URL is not set: say where PostgreSQL is, or use `npm start`',
  );
}
