import { NativeConnection, Worker } from '@temporalio/worker';
import type { Activities } from '../activities';
import { logAttributes } from '../activities/log-attributes';
import { busQueueOf } from '../core/bus/names';
import { dataConverter } from './data-converter';
import { temporalUnavailable, type TemporalTarget } from './temporal';

interface BusWorkerOptions {
  readonly connection: NativeConnection;
  readonly namespace: string;
  readonly taskQueue: string;
  readonly activities: Activities;
}

/** Routing is bound by PostgreSQL: more at once would only wait for its connections. */
const CONCURRENT_CALLS = 20;

/** The part of a worker that routes messages while all of its other slots are taken by agents, who may wait for them. */
export function createBusWorker(options: BusWorkerOptions): Promise<Worker> {
  const { connection, namespace, taskQueue, activities } = options;
  const { routeMessages, lookForMessage, lookIntoMailbox, closeBus } = activities;
  return Worker.create({
    connection,
    namespace,
    taskQueue: busQueueOf(taskQueue),
    dataConverter,
    activities: { routeMessages, lookForMessage, lookIntoMailbox, closeBus },
    interceptors: { activity: [logAttributes] },
    maxConcurrentActivityTaskExecutions: CONCURRENT_CALLS,
    maxConcurrentActivityTaskPolls: 2,
  });
}

/** Connects as workers do. Throws TEMPORAL_UNAVAILABLE. */
export async function connectNative(target: TemporalTarget): Promise<NativeConnection> {
  try {
    return await NativeConnection.connect(target.connectionOptions);
  } catch (cause) {
    throw temporalUnavailable(target, cause);
  }
}
