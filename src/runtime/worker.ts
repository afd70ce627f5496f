import {
  makeTelemetryFilterString,
  type NativeConnection,
  Runtime,
  type Worker,
  type WorkerOptions,
} from '@temporalio/worker';
import { logAttributes } from '../activities/log-attributes';
import type { Config } from '../config';
import type { Logger } from '../telemetry/log';
import { temporalLogger } from '../telemetry/temporal-logger';
import { builtPath } from './built';
import { connectNative, createBusWorker } from './bus-worker';
import { Cleanup } from './cleanup';
import { dataConverter } from './data-converter';
import type { TemporalTarget } from './temporal';
import { TolerantWorker } from './tolerant-worker';
import { createWorkerParts, type WorkerAbout, type WorkerSetup } from './worker-parts';

/** A worker that polls once `run` is called. */
export interface RunnableWorker extends AsyncDisposable {
  /** For a client in this process. Closed with the worker. */
  readonly connection: NativeConnection;
  readonly about: WorkerAbout;
  run(): Promise<void>;
  shutdown(): void;
}

/** Builds a worker over Temporal and PostgreSQL. */
export async function createWorker(setup: WorkerSetup): Promise<RunnableWorker> {
  await using cleanup = new Cleanup();
  installRuntime(setup.log);
  const { activities, target, about } = cleanup.use(await createWorkerParts(setup));
  const connection = await connectNative(target);
  cleanup.defer(() => connection.close());
  const options = { ...workerOptions(setup.config, target), connection, activities };
  const worker = await TolerantWorker.create(options);
  const { namespace } = target;
  const taskQueue = setup.config.ENSEMBLE_TASK_QUEUE;
  const bus = await createBusWorker({ connection, namespace, taskQueue, activities });
  return runnable([worker, bus], cleanup.move(), { about, connection });
}

/** Runs that are started here begin here as long as one of these is free. */
const WORKFLOW_TASKS = 100;

function workerOptions(
  config: Config,
  target: TemporalTarget,
): Omit<WorkerOptions, 'connection' | 'activities'> {
  return {
    namespace: target.namespace,
    taskQueue: config.ENSEMBLE_TASK_QUEUE,
    workflowBundle: { codePath: builtPath('workflow-bundle.js') },
    dataConverter,
    interceptors: { activity: [logAttributes] },
    maxConcurrentActivityTaskExecutions: config.ENSEMBLE_MAX_CONCURRENT_AGENTS,
    maxConcurrentWorkflowTaskExecutions: WORKFLOW_TASKS,
    // Cancellation comes back with heartbeats; the SDK alone would send one every 12 s.
    maxHeartbeatThrottleInterval: '3s',
    shutdownGraceTime: config.ENSEMBLE_SHUTDOWN_GRACE_MS,
    // Past the grace the slots are given up; the server retries what was running elsewhere.
    shutdownForceTime: config.ENSEMBLE_SHUTDOWN_GRACE_MS + 10_000,
  };
}

function runnable(
  workers: readonly Worker[],
  resources: Cleanup,
  known: Pick<RunnableWorker, 'about' | 'connection'>,
): RunnableWorker {
  const shutdown = (): void => {
    for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown();
  };
  return {
    ...known,
    // They end together, whichever of them does first.
    run: async () => {
      const ended = await Promise.allSettled(workers.map((worker) => worker.run().finally(shutdown)));
      for (const end of ended) if (end.status === 'rejected') throw end.reason;
    },
    shutdown,
    [Symbol.asyncDispose]: () => resources[Symbol.asyncDispose](),
  };
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
