import { Pool, type PoolClient } from 'pg';
import { databaseError } from './errors';

export interface PoolOptions {
  readonly size: number;
  /** Shown in pg_stat_activity. */
  readonly applicationName: string;
  /** Told of connections that broke while nobody was waiting for them; the pool goes on without them. */
  readonly onError: (error: Error) => void;
}

const CONNECT_TIMEOUT_MS = 10_000;
/** A peer that vanished without a word is given up after this; every statement of ours is far shorter. */
const STATEMENT_TIMEOUT_MS = 60_000;

/** A pool of connections whose loss is an error for whoever uses them, and never the end of the process. */
export function createPool(url: string, options: PoolOptions): Pool {
  const pool = new Pool({
    connectionString: url,
    max: options.size,
    application_name: options.applicationName,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    // On our side only: as a setting of the session it would be refused by transaction poolers.
    query_timeout: STATEMENT_TIMEOUT_MS,
    keepAlive: true,
  });
  const report = (error: Error): void => options.onError(databaseError(error));
  pool.on('error', report);
  // pg-pool listens to idle clients only; without this, one that breaks in somebody's hands ends the process.
  pool.on('connect', (client: PoolClient) => client.on('error', ignoreWhileInUse));
  return pool;
}

/** The query under way rejects with the same error, and tells it to whoever asked. */
function ignoreWhileInUse(): void {}
