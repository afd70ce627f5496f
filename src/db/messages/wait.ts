import type { Pool, PoolClient } from 'pg';
import { maybeWanted } from '../../core/bus/wanted';
import type { Message, MessageWanted } from '../../protocol/message';
import type { LookForMessageInput } from '../../protocol/run';
import { encode } from '../encode';
import { withTenantClient } from '../tenant-door';
import { lockBus } from './lock';
import { queryHistory, readHistory } from './read';

/** A step that looks for a message, and waits where there is none. */
export type Looking = Omit<LookForMessageInput, 'inlineBytes' | 'factsWanted'>;

const PAGE = 500;

/**
 * The first message of the log that `judge` takes. Where there is none the step is registered, under the bus row's lock
 * and up to the log's end: what is routed from then on finds it. Throws RUN_UNKNOWN.
 */
export async function lookForMessage(
  pool: Pool,
  looking: Looking,
  judge: (message: Message) => Promise<Message | undefined>,
): Promise<Message | undefined> {
  const { tenantId, wanted } = looking;
  const { seen, found } = await registration(pool, looking);
  for (let after = Math.max(looking.after, seen); ;) {
    const last = await lastSeq(pool, looking);
    const page = await readHistory(pool, looking, pageOf(wanted, after));
    for (const message of page) {
      // What came in time stays what came, even where its own time is over by now.
      const expired = message.seq !== found && isExpired(message);
      const taken = expired || !maybeWanted(wanted, message) ? undefined : await judge(message);
      if (taken === undefined) continue;
      await withTenantClient(pool, tenantId, (client) => client.query(FORGET, keyOf(looking)));
      return taken;
    }
    // A page that is not full goes to the end of what was there before it was read.
    after = Math.max(page.at(-1)?.seq ?? after, page.length < PAGE ? last : after);
    if (page.length < PAGE && (await register(pool, { ...looking, after }))) return undefined;
  }
}

const FORGET = 'delete from ensemble.message_waits where tenant_id = $1 and run_id = $2 and address = $3';
const REGISTERED = `select after::float8 as seen, found::float8 as found from ensemble.message_waits
  where tenant_id = $1 and run_id = $2 and address = $3`;
const LAST = 'select last_seq::float8 as last from ensemble.buses where tenant_id = $1 and run_id = $2';
/** The seventh value is the member where an agent sleeps, and null of a step. */
export const REGISTER = `insert into ensemble.message_waits (tenant_id, run_id, address, wanted, after, until, member)
  values ($1, $2, $3, $4, $5, to_timestamp($6::float8 / 1000), $7)
  on conflict (tenant_id, run_id, address) do update
    set after = excluded.after, found = null, until = excluded.until`;

async function registration(
  pool: Pool,
  looking: Looking,
): Promise<{ readonly seen: number; readonly found: number | null }> {
  const { rows } = await withTenantClient(pool, looking.tenantId, (client) =>
    client.query<{ seen: number; found: number | null }>(REGISTERED, keyOf(looking)),
  );
  return rows[0] ?? { seen: 0, found: null };
}

async function lastSeq(pool: Pool, { tenantId, runId }: Looking): Promise<number> {
  const { rows } = await withTenantClient(pool, tenantId, (client) =>
    client.query<{ last: number }>(LAST, [tenantId, runId]),
  );
  return rows[0]?.last ?? 0;
}

/** False where something came in the meantime that has to be looked at first. */
async function register(pool: Pool, looking: Looking): Promise<boolean> {
  const { tenantId, wanted, after, untilMs } = looking;
  return withTenantClient(pool, tenantId, async (client) => {
    const { lastSeq } = await lockBus(client, looking);
    if (lastSeq > after && (await hasCandidates(client, looking))) return false;
    await client.query(REGISTER, [...keyOf(looking), encode(wanted), lastSeq, untilMs, null]);
    return true;
  });
}

async function hasCandidates(client: PoolClient, looking: Looking): Promise<boolean> {
  const page = await queryHistory(client, looking, pageOf(looking.wanted, looking.after));
  return page.length === PAGE || page.some((message) => maybeWanted(looking.wanted, message));
}

function pageOf({ from, type }: MessageWanted, after: number) {
  return { after, limit: PAGE, from, type };
}

function keyOf({ tenantId, runId, address }: Looking): string[] {
  return [tenantId, runId, address];
}

/** Nobody is to read it any more; the bus buries it. */
export function isExpired({ expiresAt }: Message): boolean {
  return expiresAt !== undefined && Date.parse(expiresAt) <= Date.now();
}
