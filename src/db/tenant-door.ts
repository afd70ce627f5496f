import { setTimeout as sleep } from 'node:timers/promises';
import { drizzle, type NodePgDatabase } from 'drizzle-orm/node-postgres';
import { escapeLiteral, type Pool, type PoolClient, type QueryResult } from 'pg';
import { encode } from './encode';
import { databaseCode, databaseError, isDatabaseError } from './errors';
import { Lanes } from './lanes';
import { EVENTS_CHANNEL, wakeReaders } from './wake';

/** Queries inside one transaction. */
export type Tx = NodePgDatabase;

/** Functions of schema `ensemble` that a repository may call; each is one autocommit statement. */
export type FunctionName =
  | 'create_run'
  | 'append_run_events'
  | 'finish_run'
  | 'open_agent_run'
  | 'close_agent_run'
  | 'lay_down_agent_run'
  | 'fail_attempt'
  | 'settle_agent_run'
  | 'begin_tool_call'
  | 'end_tool_call'
  | 'doubt_tool_call'
  | 'resolve_tool_call'
  | 'append_journal'
  | 'append_context_writes'
  | 'record_model_call'
  | 'run_usage'
  | 'append_tokens'
  | 'close_agent_run_with_reading'
  | 'consume_messages'
  | 'finish_silent_run'
  | 'redrive_messages';

const CALL_ATTEMPTS = 8;
/**
 * Statements of one run under way on one pool: each waits for the run's row until the one before it is committed, and as many as
 * there are connections took PostgreSQL twice the time (measured: 2.1 ms of it for an agent of a fan-out, 1.2 with two). The
 * second prepares what it can while the first commits, and goes on where that one hangs.
 */
const AT_ONCE_PER_RUN = 2;
const lanes = new WeakMap<Pool, Lanes>();
const ENTER = "select set_config('app.tenant', $1, true)";

/**
 * The door for queries: one transaction that sees and writes the rows of one tenant.
 * Rejects with an AppError; what `work` itself throws passes through.
 */
export async function withTenant<T>(pool: Pool, tenantId: string, work: (tx: Tx) => Promise<T>): Promise<T> {
  return transaction(pool, async (client) => {
    await client.query(ENTER, [tenantId]);
    return work(drizzle(client));
  });
}

/** As `withTenant`, for statements of one's own, and entered in one round trip: work that every message pays for. */
export async function withTenantClient<T>(
  pool: Pool,
  tenantId: string,
  work: (client: PoolClient) => Promise<T>,
): Promise<T> {
  const begin = `begin; select set_config('app.tenant', ${escapeLiteral(tenantId)}, true)`;
  return transaction(pool, work, begin);
}

/** The door for what belongs to no tenant: the catalogue of agents. Every tenant table is empty behind it. */
export async function withPlatform<T>(pool: Pool, work: (tx: Tx) => Promise<T>): Promise<T> {
  return transaction(pool, (client) => work(drizzle(client)));
}

/** As `withPlatform`, for one statement: it needs no transaction around it, and so one round trip. */
export async function readPlatform<T>(pool: Pool, statement: (database: Tx) => Promise<T>): Promise<T> {
  try {
    return await statement(drizzle(pool));
  } catch (error) {
    throw databaseError(error);
  }
}

/** What the second door is opened for. Row-level security says, purpose by purpose, what is seen behind it. */
export type SystemPurpose = 'reconcile' | 'expire-tokens';

/**
 * The door for work that belongs to no tenant: sees, across tenants, only what the policies allow this purpose,
 * and writes no tenant's row. Acting on what was seen goes through the tenant's own door.
 *
 * Using it is audited, one row of `audit_log` per use and tenant, by whoever acted: a look that found nothing to
 * do leaves no row, or an idle platform would write for ever.
 */
export async function withSystem<T>(
  pool: Pool,
  purpose: SystemPurpose,
  work: (tx: Tx) => Promise<T>,
): Promise<T> {
  return transaction(pool, async (client) => {
    // No tenant is what opens the door as much as the purpose: a tenant's transaction cannot be inside.
    await client.query("select set_config('app.system', $1, true), set_config('app.tenant', '', true)", [
      purpose,
    ]);
    return work(drizzle(client));
  });
}

/**
 * Calls a function that enters the tenant by itself, one statement, prepared once per connection; wakes whoever follows
 * the run's events.
 */
export async function callFunction(
  pool: Pool,
  name: FunctionName,
  call: FunctionCall & { readonly body: { readonly runId: string } },
): Promise<unknown> {
  const run = `${call.tenantId}:${call.body.runId}`;
  const ofPool = lanes.get(pool) ?? new Lanes(AT_ONCE_PER_RUN);
  lanes.set(pool, ofPool);
  const answer = await callIn((statement) => ofPool.run(run, statement), pool, { name, ...call });
  wakeReaders(pool, EVENTS_CHANNEL, run);
  return answer;
}

/** As `callFunction`, for what no event tells of. */
export async function callQuietly(pool: Pool, name: FunctionName, call: FunctionCall): Promise<unknown> {
  return callIn((statement) => statement(), pool, { name, ...call });
}

type Answers = QueryResult<{ answer: unknown }>;

async function callIn(
  lane: (statement: () => Promise<Answers>) => Promise<Answers>,
  pool: Pool,
  { name, tenantId, body }: FunctionCall & { readonly name: FunctionName },
): Promise<unknown> {
  const query = {
    name: `ensemble.${name}`,
    text: `select ensemble.${name}($1::uuid, $2::jsonb) as answer`,
    values: [tenantId, encode(body)],
  };
  for (let attempt = 1; ; attempt += 1) {
    try {
      const { rows } = await lane(() => pool.query<{ answer: unknown }>(query));
      return rows[0]?.answer;
    } catch (error) {
      if (attempt === CALL_ATTEMPTS || !isConflict(error)) throw databaseError(error);
      // The statement left nothing behind; what it collided with is done in a moment.
      await sleep(Math.random() * 5 * 2 ** attempt);
    }
  }
}

export interface FunctionCall {
  readonly tenantId: string;
  readonly body: object;
}

async function transaction<T>(
  pool: Pool,
  work: (client: PoolClient) => Promise<T>,
  begin = 'begin',
): Promise<T> {
  const client = await pool.connect().catch((error: unknown) => {
    throw databaseError(error);
  });
  try {
    await client.query(begin);
    const result = await work(client);
    await client.query('commit');
    client.release();
    return result;
  } catch (error) {
    if (!isDatabaseError(error)) {
      await abandon(client);
      throw error;
    }
    const failure = databaseError(error);
    // A connection that broke or hangs is not asked to roll back: it would keep this caller waiting with it.
    if (failure.code === 'DATABASE_UNAVAILABLE') client.release(true);
    else await abandon(client);
    throw failure;
  }
}

/** A client goes back to the pool only out of a transaction: the next borrower must find no tenant on it. */
async function abandon(client: PoolClient): Promise<void> {
  try {
    await client.query('rollback');
    client.release();
  } catch {
    client.release(true);
  }
}

/** Serialization failure (our functions raise it to be called again) and deadlock. */
function isConflict(error: unknown): boolean {
  const code = databaseCode(error);
  return code === '40001' || code === '40P01';
}
