import type { Pool, PoolClient } from 'pg';
import type { PublisherState } from '../../core/bus/publisher';
import type { BusSettings, Message, MessageItem } from '../../protocol/message';
import { withTenantClient } from '../tenant-door';
import { type MessageRow, toMessage } from './rows';

const COLUMNS = `m.run_id as "runId", m.seq::float8 as seq, m.lane, m.number::float8 as number,
  m.from_agent as "fromAgent", m.to_agent as "toAgent", m.topic, m.broadcast, m.capability, m.condition, m.type,
  m.priority, m.correlation_id as "correlationId", m.reply_to as "replyTo", m.content, m.content_ref as "contentRef",
  m.expires_at as "expiresAt", m.created_at as "createdAt",
  (select p.publisher from ensemble.publishers p
    where p.tenant_id = m.tenant_id and p.run_id = m.run_id and p.lane = m.lane) as publisher`;

export interface MailboxKey {
  readonly tenantId: string;
  readonly runId: string;
  readonly member: string;
}

/** What waits in a mailbox, and up to which delivery it was read. */
export interface MailboxPage {
  readonly messages: readonly Message[];
  readonly cursor: number;
  /** Whether there are further deliveries after the cursor. */
  readonly more: boolean;
}

/** Deliveries per look: one of them is what a whole routed batch brought. */
const DELIVERIES = 100;
const MAILBOX = `with arrived as (
    select batch, pending, expires_at from ensemble.deliveries
     where tenant_id = $1 and run_id = $2 and member = $3 and batch > $4 and pending <> '{}'
     order by batch limit ${DELIVERIES})
  select arrived.batch::float8 as batch, ${COLUMNS}
    from arrived cross join unnest(arrived.pending) as waiting (seq)
   cross join lateral (
     select * from ensemble.agent_messages where tenant_id = $1 and run_id = $2 and seq = waiting.seq
     -- Keeps the planner from joining a whole run, of whose size it knows nothing while the run is young.
     offset 0) as m
   order by m.priority desc, m.seq`;

/** The unread messages of deliveries after the cursor, the most urgent first. */
export async function readMailbox(pool: Pool, key: MailboxKey, cursor: number): Promise<MailboxPage> {
  const { rows } = await withTenantClient(pool, key.tenantId, (client) =>
    // Not prepared: a plan that is kept from when the run was young would read all of it, message by message.
    client.query<MessageRow & { batch: number }>(MAILBOX, [key.tenantId, key.runId, key.member, cursor]),
  );
  return {
    messages: rows.map(toMessage),
    cursor: rows.reduce((last, { batch }) => Math.max(last, batch), cursor),
    more: new Set(rows.map(({ batch }) => batch)).size >= DELIVERIES,
  };
}

export interface HistoryPage {
  /** Only messages after this one of the run's order; 0 from the beginning. */
  readonly after: number;
  readonly limit: number;
  readonly from?: string | undefined;
  /** For this member by name, or for its reply by `replyTo`. */
  readonly to?: string | undefined;
  readonly type?: string | undefined;
  readonly topic?: string | undefined;
  readonly correlationId?: string | undefined;
}

const HISTORY = `select ${COLUMNS} from ensemble.agent_messages m
  where m.tenant_id = $1 and m.run_id = $2 and m.seq > $3
    and ($5::text is null or m.from_agent = $5) and ($6::text is null or m.to_agent = $6)
    and ($7::text is null or m.type = $7) and ($8::text is null or m.topic = $8)
    and ($9::text is null or m.correlation_id = $9)
  order by m.seq limit $4`;

/** The log in its one order. */
export async function readHistory(pool: Pool, key: RunKey, page: HistoryPage): Promise<readonly Message[]> {
  return withTenantClient(pool, key.tenantId, (client) => queryHistory(client, key, page));
}

interface RunKey {
  readonly tenantId: string;
  readonly runId: string;
}

/** As `readHistory`, inside a transaction. */
export async function queryHistory(
  client: PoolClient,
  { tenantId, runId }: RunKey,
  { after, limit, from, to, type, topic, correlationId }: HistoryPage,
): Promise<readonly Message[]> {
  const values = [tenantId, runId, after, limit, from, to, type, topic, correlationId];
  const { rows } = await client.query<MessageRow>(HISTORY, values);
  return rows.map(toMessage);
}

const PUBLISHERS = `select publisher, last::float8 as last, turn, attempt, turn_from::float8 as "turnFrom"
  from ensemble.publishers where tenant_id = $1 and run_id = $2 and publisher = any ($3)`;

/** How far the log has come with these publishers; those it has not heard of are missing. */
export async function readPublishers(
  pool: Pool,
  { tenantId, runId }: { readonly tenantId: string; readonly runId: string },
  publishers: readonly string[],
): Promise<ReadonlyMap<string, PublisherState>> {
  const { rows } = await withTenantClient(pool, tenantId, (client) =>
    client.query<PublisherState & { publisher: string }>({
      name: 'ensemble.publishers',
      text: PUBLISHERS,
      values: [tenantId, runId, publishers],
    }),
  );
  return new Map(rows.map(({ publisher, ...state }) => [publisher, state]));
}

/** How a run's bus is configured; nothing is, where it has none. */
export async function readSettings(pool: Pool, tenantId: string, runId: string): Promise<BusSettings> {
  const { rows } = await withTenantClient(pool, tenantId, (client) =>
    client.query<{ settings: BusSettings }>({
      name: 'ensemble.bus_settings',
      text: 'select settings from ensemble.buses where tenant_id = $1 and run_id = $2',
      values: [tenantId, runId],
    }),
  );
  return rows[0]?.settings ?? {};
}

/** How many members a run has. */
export async function countMembers(pool: Pool, tenantId: string, runId: string): Promise<number> {
  const { rows } = await withTenantClient(pool, tenantId, (client) =>
    client.query<{ members: number }>({
      name: 'ensemble.members',
      text: 'select jsonb_array_length(agents) as members from ensemble.runs where tenant_id = $1 and id = $2',
      values: [tenantId, runId],
    }),
  );
  return rows[0]?.members ?? 0;
}

const SENT = `select ${COLUMNS} from ensemble.agent_messages m
  where m.tenant_id = $1 and m.run_id = $2 and m.number >= $4
    and m.lane = (select lane from ensemble.publishers
                   where tenant_id = $1 and run_id = $2 and publisher = $3)
  order by m.number limit $5`;

/** A message as its sender wrote it, and its number. */
export interface SentItem {
  readonly number: number;
  readonly seq: number;
  readonly item: MessageItem;
}

export interface SentPage {
  readonly runId: string;
  readonly publisher: string;
  readonly from: number;
  readonly limit: number;
}

/** What a publisher has in the log, in the order in which it was sent. */
export async function readSent(
  pool: Pool,
  tenantId: string,
  { runId, publisher, from, limit }: SentPage,
): Promise<readonly SentItem[]> {
  const { rows } = await withTenantClient(pool, tenantId, (client) =>
    client.query<MessageRow>(SENT, [tenantId, runId, publisher, from, limit]),
  );
  return rows.map(({ number, seq, ...row }) => ({ number, seq, item: itemOf(row) }));
}

function itemOf(row: Omit<MessageRow, 'number' | 'seq'>): MessageItem {
  const { to, topic, broadcast, where, capability, correlationId, replyTo, type, priority, content, ref } =
    toMessage({ ...row, number: 0, seq: 0 });
  const ttlMs =
    row.expiresAt === null ? undefined : Math.round(row.expiresAt.getTime() - row.createdAt.getTime());
  return {
    to,
    topic,
    broadcast,
    where,
    capability,
    correlationId,
    replyTo,
    type,
    priority,
    content,
    ref,
    ttlMs,
  };
}
