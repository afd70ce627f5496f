import { type Environment, loadConfig } from '../config';
import { catchStrayErrors } from '../runtime/stray-errors';
import { createWorker } from '../runtime/worker';
import { createLogger } from '../telemetry/log';
import { reportFailure } from './report-failure';

/** What a worker tells the process that forked it, over IPC. */
export type WorkerMessage =
  | {
      readonly type: 'ready';
      readonly agents: readonly string[];
      readonly problems: readonly { readonly file: string; readonly reason: string }[];
      readonly model: string;
    }
  | { readonly type: 'failed'; readonly code: string; readonly message: string };

/** Runs a worker until it is told to stop: SIGINT, SIGTERM, or the end of the process that forked it. */
export async function workerMain(environment: Environment): Promise<void> {
  try {
    await runWorker(environment);
    process.exitCode = 0;
  } catch (error) {
    const failure = reportFailure(error);
    tell({ type: 'failed', code: failure.code, message: failure.message });
    process.exitCode = failure.exit;
  }
  // The SDK's native threads and an IPC channel would keep the process alive.
  process.exit();
}

async function runWorker(environment: Environment): Promise<void> {
  const config = loadConfig(environment);
  const log = createLogger({ level: config.ENSEMBLE_LOG_LEVEL, format: config.ENSEMBLE_LOG_FORMAT });
  using _ = catchStrayErrors(log, () => process.exit(1));
  await using worker = await createWorker({ config, environment, log });
  const stop = (): void => worker.shutdown();
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  process.once('disconnect', stop);
  const running = worker.run();
  const { agents, problems, model } = worker.about;
  log.info({ agents: agents.length, taskQueue: config.ENSEMBLE_TASK_QUEUE }, 'worker is polling');
  tell({ type: 'ready', agents, problems, model });
  await running;
}

function tell(message: WorkerMessage): void {
  if (process.connected) process.send?.(message);
}
