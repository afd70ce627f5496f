import type { Pool } from 'pg';
import { AppError } from '../../protocol/failures';
import type { BusSettings, DeadLetter, MessageCounts, Receipt } from '../../protocol/message';
import { knownRun, parseStored } from '../answers';
import { OpenBusAnswer, RedriveAnswer } from '../answers-messages';
import { encode } from '../encode';
import type { deadLetters } from '../schema/messages';
import { callQuietly, withTenantClient } from '../tenant-door';
import { MESSAGES_CHANNEL, wakeReaders } from '../wake';
import { toDeadLetter } from './rows';

interface RunKey {
  readonly tenantId: string;
  readonly runId: string;
}

const OPEN = 'select ensemble.open_bus($1::uuid, $2::jsonb) as answer';

/** Opens a bus without routing: what has expired is buried, so that whoever looks sees it. Throws RUN_UNKNOWN. */
async function inOpenBus<T>(
  pool: Pool,
  { tenantId, runId }: RunKey,
  work: (query: <R extends object>(text: string, ...values: unknown[]) => Promise<R[]>) => Promise<T>,
): Promise<T> {
  return withTenantClient(pool, tenantId, async (client) => {
    const opening = { runId, publishers: [], agentRuns: [], busy: false };
    const { rows } = await client.query<{ answer: unknown }>(OPEN, [tenantId, encode(opening)]);
    knownRun(parseStored(OpenBusAnswer, rows[0]?.answer), runId);
    return work(
      async <R extends object>(text: string, ...values: unknown[]) =>
        (await client.query<R>(text, [tenantId, runId, ...values])).rows,
    );
  });
}

const OF_RUN = 'tenant_id = $1 and run_id = $2';

export async function countMessages(pool: Pool, key: RunKey): Promise<MessageCounts> {
  return inOpenBus(pool, key, async (query) => {
    const [bus] = await query<{ logged: number; dead: number }>(
      `select last_seq::float8 as logged, (select count(*) from ensemble.dead_letters
          where ${OF_RUN} and redriven_at is null)::float8 as dead
         from ensemble.buses where ${OF_RUN}`,
    );
    const mailboxes = await query<MessageCounts['mailboxes'][number]>(
      `select member, pending, delivered::float8 as delivered, consumed::float8 as consumed
         from ensemble.mailboxes where ${OF_RUN} order by member`,
    );
    return { logged: bus?.logged ?? 0, dead: bus?.dead ?? 0, mailboxes };
  });
}

/** What became of one message for everybody it was for. */
export async function receiptsOf(pool: Pool, key: RunKey, seq: number): Promise<readonly Receipt[]> {
  return inOpenBus(pool, key, (query) =>
    query<Receipt>(
      `select json_strip_nulls(receipt) as receipt from (
         select member, json_build_object('member', member, 'reason', max(reason), 'status',
                  case when bool_or(waiting) then 'delivered' when bool_or(dead) then 'dead' else 'consumed' end)
                  as receipt
           from (
             select member, $3 = any (pending) as waiting, false as dead, null as reason
               from ensemble.deliveries where ${OF_RUN} and $3 = any (seqs)
             union all
             select coalesce(member, ''), false, true, reason
               from ensemble.dead_letters where ${OF_RUN} and seq = $3 and redriven_at is null
           ) as fates group by member) as grouped order by member`,
      seq,
    ).then((rows) => rows.map((row) => (row as unknown as { receipt: Receipt }).receipt)),
  );
}

export interface DeadLetterPage {
  /** Only letters after this number. */
  readonly after: number;
  readonly limit: number;
}

export async function readDeadLetters(
  pool: Pool,
  key: RunKey,
  { after, limit }: DeadLetterPage,
): Promise<readonly DeadLetter[]> {
  type Row = typeof deadLetters.$inferSelect;
  return inOpenBus(pool, key, async (query) => {
    const rows = await query<Row>(
      `select no::float8 as no, reason, detail, seq::float8 as seq, member, publisher, content,
              created_at as "createdAt", redriven_at as "redrivenAt"
         from ensemble.dead_letters where ${OF_RUN} and no > $3 order by no limit $4`,
      after,
      limit,
    );
    return rows.map(toDeadLetter);
  });
}

/** Removes dead letters, all of them where none is named; answers how many there were. */
export async function purgeDeadLetters(pool: Pool, key: RunKey, nos?: readonly number[]): Promise<number> {
  return inOpenBus(pool, key, async (query) => {
    const [row] = await query<{ count: number }>(
      `with gone as (delete from ensemble.dead_letters
         where ${OF_RUN} and ($3::bigint[] is null or no = any ($3)) returning 1)
       select count(*)::float8 as count from gone`,
      nos ?? null,
    );
    return row?.count ?? 0;
  });
}

export interface Redrive {
  readonly nos: readonly number[];
  /** Instead of whom they were for. */
  readonly to?: string | undefined;
}

/** Delivers dead letters again; answers how many could be. Throws RUN_UNKNOWN, and BUS_CLOSED after the run's end. */
export async function redrive(
  pool: Pool,
  { tenantId, runId }: RunKey,
  { nos, to }: Redrive,
): Promise<number> {
  const body = { runId, nos, ...(to === undefined ? {} : { to }) };
  const answer = knownRun(
    parseStored(RedriveAnswer, await callQuietly(pool, 'redrive_messages', { tenantId, body })),
    runId,
  );
  if (answer.outcome === 'run-final')
    throw new AppError('BUS_CLOSED', `Run ${runId} is ${answer.status}; nothing is delivered any more`);
  wakeReaders(pool, MESSAGES_CHANNEL, `${tenantId}:${runId}`);
  return answer.count;
}

/** Sets a run's bounds from here on. Throws RUN_UNKNOWN. */
export async function configureBus(pool: Pool, key: RunKey, settings: BusSettings): Promise<void> {
  await inOpenBus(pool, key, (query) =>
    query(`update ensemble.buses set settings = $3 where ${OF_RUN}`, encode(settings)),
  );
}
