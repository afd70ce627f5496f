import { setTimeout as sleep } from 'node:timers/promises';
import { drizzle, type NodePgDatabase } from 'drizzle-orm/node-postgres';
import { escapeLiteral, type Pool, type PoolClient, type QueryConfig } from 'pg';
import { encode } from './encode';
import { databaseCode, databaseError, isDatabaseError } from './errors';
import { type SharedCall, SharedCalls } from './shared-calls';
import { EVENTS_CHANNEL, wakeReaders } from './wake';

/** Queries inside one transaction. */
export type Tx = NodePgDatabase;

/** Functions of schema `ensemble` that a repository may call, and that tell of a run in its story. */
const TELLING = [
  'create_run',
  'append_run_events',
  'finish_run',
  'finish_silent_run',
  'open_agent_run',
  'close_agent_run',
  'close_agent_run_with_reading',
  'close_last_agent_run',
  'lay_down_agent_run',
  'fail_attempt',
  'settle_agent_run',
  'doubt_tool_call',
  'resolve_tool_call',
] as const;
export type TellingFunction = (typeof TELLING)[number];

/** Those that do not. */
export type QuietFunction =
  | 'begin_tool_call'
  | 'end_tool_call'
  | 'append_journal'
  | 'append_context_writes'
  | 'record_model_call'
  | 'append_tokens'
  | 'consume_messages'
  | 'redrive_messages'
  | 'run_usage';

const CALL_ATTEMPTS = 8;
/**
 * How long a statement that calls share waits for any lock, ms: a run whose row somebody holds must not hold up the
 * tenant's others for long. Its calls are then made one by one, and wait as long as they must.
 */
const SHARED_LOCK_MS = 250;
const shared = new WeakMap<Pool, SharedCalls<TellingFunction>>();
const PATIENCE = `set_config('lock_timeout', '${SHARED_LOCK_MS}', true) as lock`;
const SHARED = `with patience as materialized (select ${PATIENCE})
  select calls.index, case calls.name ${TELLING.map((name) => `when '${name}' then ensemble.${name}($1::uuid, calls.body)`).join(' ')} end as answer
    from patience, jsonb_to_recordset($2::jsonb) as calls (index integer, name text, body jsonb)
   where patience.lock is not null`;
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
 * Calls a function that enters the tenant by itself: one statement, which it shares with what else the tenant calls at
 * the moment. Wakes whoever follows the run's events.
 */
export async function callFunction(
  pool: Pool,
  name: TellingFunction,
  { tenantId, body }: FunctionCall & { readonly body: { readonly runId: string } },
): Promise<unknown> {
  const { runId } = body;
  const text = encode(body);
  const answer = SharedCalls.tooLarge(text)
    ? await callAlone(pool, name, { tenantId, text })
    : await sharedOf(pool)
        .call(tenantId, { name, runId, body: text })
        .catch((error: unknown) => {
          if (!leavesNothingBehind(error)) throw databaseError(error);
          return callAlone(pool, name, { tenantId, text });
        });
  wakeReaders(pool, EVENTS_CHANNEL, `${tenantId}:${runId}`);
  return answer;
}

/** As `callFunction`, for what no event tells of: in a statement of its own, prepared once per connection. */
export async function callQuietly(
  pool: Pool,
  name: QuietFunction,
  { tenantId, body }: FunctionCall,
): Promise<unknown> {
  return callAlone(pool, name, { tenantId, text: encode(body) });
}

function sharedOf(pool: Pool): SharedCalls<TellingFunction> {
  const known = shared.get(pool) ?? new SharedCalls((tenantId, calls) => callTogether(pool, tenantId, calls));
  shared.set(pool, known);
  return known;
}

async function callTogether(
  pool: Pool,
  tenantId: string,
  calls: readonly SharedCall<TellingFunction>[],
): Promise<readonly unknown[]> {
  const [only] = calls;
  if (only !== undefined && calls.length === 1) {
    // It needs no choice of function; it waits as the others do, or it would hold up those that come meanwhile.
    const { rows } = await pool.query<Answered>(single(only.name, { tenantId, text: only.body }, true));
    return [rows[0]?.answer];
  }
  const parts = calls.map(({ name, body }, index) => `{"index":${index},"name":"${name}","body":${body}}`);
  const { rows } = await pool.query<Answered & { readonly index: number }>({
    name: 'ensemble.shared',
    text: SHARED,
    values: [tenantId, `[${parts.join(',')}]`],
  });
  return rows.toSorted((a, b) => a.index - b.index).map(({ answer }) => answer);
}

interface EncodedCall {
  readonly tenantId: string;
  readonly text: string;
}

interface Answered {
  readonly answer: unknown;
}

/** One call, as a statement that each connection prepares once. `briefly`: as one that calls share waits for locks. */
function single(
  name: TellingFunction | QuietFunction,
  { tenantId, text }: EncodedCall,
  briefly = false,
): QueryConfig {
  const call = `ensemble.${name}($1::uuid, $2::jsonb) as answer`;
  return {
    name: briefly ? `ensemble.shared.${name}` : `ensemble.${name}`,
    text: briefly ? `select ${PATIENCE}, ${call}` : `select ${call}`,
    values: [tenantId, text],
  };
}

async function callAlone(
  pool: Pool,
  name: TellingFunction | QuietFunction,
  call: EncodedCall,
): Promise<unknown> {
  const query = single(name, call);
  for (let attempt = 1; ; attempt += 1) {
    try {
      const { rows } = await pool.query<Answered>(query);
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

/** Whether the server refused the statement: where the way to it broke, nobody knows what became of it. */
function leavesNothingBehind(error: unknown): boolean {
  return isConflict(error) || databaseError(error).code !== 'DATABASE_UNAVAILABLE';
}
