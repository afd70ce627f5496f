import type { NativeConnection } from '@temporalio/worker';
import { DEFAULT_PROJECT_ID, LOCAL_TENANT_ID } from '../protocol/run';
import { type Environment, loadConfig, requiredDatabaseUrl } from '../config';
import { RunNotifications } from '../db/notifications';
import { createPool } from '../db/pool';
import { createRepositories } from '../db/repositories';
import { assertSchemaCurrent } from '../db/migrate';
import { createBuses } from '../runtime/buses';
import { connectClient, eagerClient, temporalTarget } from '../runtime/temporal';
import type { EnsembleClient } from './ensemble-client';
import { InProcessClient } from './in-process';

export interface ClientOptions {
  /** Whose runs these are; the tenant and project that migrations create, unless said otherwise. */
  readonly tenantId?: string;
  readonly projectId?: string;
  /** The environment to read; the process's own by default. */
  readonly environment?: Environment;
  /**
   * Of a worker in this process, on the same task queue: runs that are started here begin with it at once. It stays its
   * owner's to close; once it is closed, runs are started as everywhere.
   */
  readonly workerConnection?: NativeConnection;
}

/** Connects to Temporal and PostgreSQL as the environment says. Dispose it, or `await using` it. */
export async function createClient(options: ClientOptions = {}): Promise<EnsembleClient> {
  const { environment = process.env, workerConnection } = options;
  const config = loadConfig(environment);
  const url = requiredDatabaseUrl(config);
  const notifications = new RunNotifications(url, () => undefined);
  const pool = createPool(url, {
    size: config.DATABASE_POOL_SIZE,
    applicationName: 'ensemble-client',
    onError: () => undefined,
  });
  try {
    await assertSchemaCurrent(pool);
    const target = temporalTarget(environment);
    const eager = workerConnection && eagerClient(workerConnection, target);
    const temporal = await connectClient(target);
    const repositories = createRepositories(pool);
    const { ENSEMBLE_TASK_QUEUE: taskQueue } = config;
    const talk = createBuses({ repositories, notifications, target, taskQueue });
    return new InProcessClient({
      repositories,
      buses: talk.buses,
      notifications,
      temporal,
      eager,
      taskQueue,
      startsPerHistory: config.ENSEMBLE_STARTS_PER_HISTORY,
      tenantId: options.tenantId ?? LOCAL_TENANT_ID,
      projectId: options.projectId ?? DEFAULT_PROJECT_ID,
      close: async () => {
        await talk[Symbol.asyncDispose]();
        await notifications[Symbol.asyncDispose]();
        await temporal.connection.close();
        await pool.end();
      },
    });
  } catch (error) {
    await pool.end();
    throw error;
  }
}
