import type { Pool, PoolClient } from 'pg';
import { z } from 'zod';
import type { Message } from '../../protocol/message';
import { Predicate } from '../../protocol/predicate';
import { parseStored } from '../answers';
import { encode } from '../encode';
import { withTenantClient } from '../tenant-door';
import { lockBus } from './lock';
import { type MailboxKey, readMailbox } from './read';
import { isExpired, REGISTER } from './wait';

/** An agent that sleeps until its mailbox gets what it waits for. */
export interface Sleeping extends MailboxKey {
  readonly address: string;
  /** The one that ended. */
  readonly turn: number;
  readonly untilMs: number;
}

/** Says of a message whether a filter lets it through. */
export type Judge = (message: Message, filter: Predicate | undefined) => Promise<boolean>;

/**
 * Whether the mailbox of an agent that sleeps holds what it waits for. Where it does not, the agent is registered, under
 * the bus row's lock: what is delivered from then on is compared. Throws RUN_UNKNOWN.
 */
export async function lookIntoMailbox(pool: Pool, sleeping: Sleeping, judge: Judge): Promise<boolean> {
  const filter = await filterOf(pool, sleeping);
  for (let cursor = 0; ;) {
    const page = await readMailbox(pool, sleeping, cursor);
    for (const message of page.messages)
      if (!isExpired(message) && (await judge(message, filter))) return true;
    cursor = page.cursor;
    if (!page.more && (await register(pool, { sleeping, filter, cursor }))) return false;
  }
}

const FILTER = `select turns.rest -> 'filter' as filter
  from ensemble.agent_runs agent_run join ensemble.agent_run_turns turns
    on turns.tenant_id = agent_run.tenant_id and turns.agent_run_id = agent_run.id and turns.turn = $4
  where agent_run.tenant_id = $1 and agent_run.run_id = $2 and agent_run.address = $3`;

async function filterOf(
  pool: Pool,
  { tenantId, runId, address, turn }: Sleeping,
): Promise<Predicate | undefined> {
  const { rows } = await withTenantClient(pool, tenantId, (client) =>
    client.query<{ filter: unknown }>(FILTER, [tenantId, runId, address, turn]),
  );
  return parseStored(z.array(z.object({ filter: Predicate.nullable() })), rows)[0]?.filter ?? undefined;
}

const ARRIVED = `select exists (select from ensemble.deliveries
  where tenant_id = $1 and run_id = $2 and member = $3 and batch > $4 and pending <> '{}') as arrived`;

interface Registration {
  readonly sleeping: Sleeping;
  readonly filter: Predicate | undefined;
  /** The last delivery that was looked at. */
  readonly cursor: number;
}

/** False where something came in the meantime that has to be looked at first. */
async function register(pool: Pool, { sleeping, filter, cursor }: Registration): Promise<boolean> {
  const { tenantId, runId, address, member, untilMs } = sleeping;
  return withTenantClient(pool, tenantId, async (client) => {
    const { lastSeq } = await lockBus(client, { tenantId, runId });
    if (await hasArrived(client, sleeping, cursor)) return false;
    const wanted = encode({ where: filter });
    await client.query(REGISTER, [tenantId, runId, address, wanted, lastSeq, untilMs, member]);
    return true;
  });
}

async function hasArrived(client: PoolClient, { tenantId, runId, member }: MailboxKey, cursor: number) {
  const { rows } = await client.query<{ arrived: boolean }>(ARRIVED, [tenantId, runId, member, cursor]);
  return rows[0]?.arrived === true;
}

const SLEEPERS = `select address from ensemble.message_waits
  where tenant_id = $1 and run_id = $2 and member is not null order by address`;

export async function readSleepers(
  pool: Pool,
  { tenantId, runId }: Pick<MailboxKey, 'tenantId' | 'runId'>,
): Promise<readonly string[]> {
  const { rows } = await withTenantClient(pool, tenantId, (client) =>
    client.query<{ address: string }>(SLEEPERS, [tenantId, runId]),
  );
  return rows.map(({ address }) => address);
}
