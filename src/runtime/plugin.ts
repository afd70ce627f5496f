import type { BundleOptions, BundlerPlugin, Worker, WorkerOptions, WorkerPlugin } from '@temporalio/worker';
import { logAttributes } from '../activities/log-attributes';
import { type Environment, loadConfig, readEnvironment } from '../config';
import { AppError } from '../protocol/failures';
import { createLogger, type Logger } from '../telemetry/log';
import { connectNative, createBusWorker } from './bus-worker';
import { Cleanup } from './cleanup';
import { dataConverter } from './data-converter';
import { createWorkerParts, type WorkerParts } from './worker-parts';

export interface EnsemblePluginOptions {
  /** The environment to read; the process's own by default. */
  readonly environment?: Environment;
  readonly log?: Logger;
}

/** What a worker has that names no number. */
const SDK_SLOTS = 100;

/**
 * Mounts the worker part in somebody's own Temporal worker, beside their workflows and activities. Their workflows file
 * re-exports ours: `export * from 'ensemble/workflows'`. Runs are started on that worker's task queue where the client's
 * ENSEMBLE_TASK_QUEUE names it.
 */
export class EnsemblePlugin implements WorkerPlugin, BundlerPlugin {
  readonly name = 'ensemble';
  private parts: WorkerParts | undefined;

  constructor(private readonly options: EnsemblePluginOptions = {}) {}

  async configureWorker(options: WorkerOptions): Promise<WorkerOptions> {
    const environment = this.options.environment ?? readEnvironment();
    const config = loadConfig({ ...environment, ENSEMBLE_TASK_QUEUE: options.taskQueue });
    const { ENSEMBLE_LOG_LEVEL: level, ENSEMBLE_LOG_FORMAT: format } = config;
    const log = this.options.log ?? createLogger({ level, format });
    this.parts = await createWorkerParts({
      config,
      environment,
      log,
      slots: options.maxConcurrentActivityTaskExecutions ?? SDK_SLOTS,
    });
    const { activities } = this.parts;
    const taken = Object.keys(activities).filter((name) => Object.hasOwn(options.activities ?? {}, name));
    if (taken.length > 0)
      throw new AppError(
        'CONFIG_INVALID',
        `This worker has activities of its own named ${taken.join(', ')}; rename them`,
      );
    const { interceptors = {} } = options;
    return {
      ...options,
      activities: { ...options.activities, ...activities },
      dataConverter: options.dataConverter ?? dataConverter,
      interceptors: { ...interceptors, activity: [...(interceptors.activity ?? []), logAttributes] },
    };
  }

  configureBundler(options: BundleOptions): BundleOptions {
    const { workflowInterceptorModules = [], payloadConverterPath = dataConverter.payloadConverterPath } =
      options;
    return {
      ...options,
      workflowInterceptorModules: [
        ...workflowInterceptorModules,
        require.resolve('../workflows/log-attributes'),
      ],
      ...(payloadConverterPath === undefined ? {} : { payloadConverterPath }),
    };
  }

  async runWorker(worker: Worker, next: (worker: Worker) => Promise<void>): Promise<void> {
    const { parts } = this;
    if (parts === undefined) return next(worker);
    await using cleanup = new Cleanup();
    cleanup.use(parts);
    const connection = await connectNative(parts.target);
    cleanup.defer(() => connection.close());
    const { activities, target } = parts;
    const { taskQueue } = worker.options;
    const bus = await createBusWorker({ connection, namespace: target.namespace, taskQueue, activities });
    const routing = bus.run();
    cleanup.defer(async () => {
      if (bus.getState() === 'RUNNING') bus.shutdown();
      await routing;
    });
    // Whichever ends first: without routing there is no worker of ours.
    await Promise.race([next(worker), routing]);
  }
}
