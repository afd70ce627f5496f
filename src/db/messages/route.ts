import type { Pool, PoolClient } from 'pg';
import { uuidv7 } from 'uuidv7';
import type { z } from 'zod';
import type { Entry } from '../../core/bus/mailbox';
import { subscriptionKey, type BusState, type Dead, type Published, type Routed } from '../../core/bus/route';
import type { Found, MessageWait } from '../../core/bus/wanted';
import type { Json } from '../../protocol/json';
import type { MessageItem, MessageWanted } from '../../protocol/message';
import type { Predicate } from '../../protocol/predicate';
import { knownRun, parseStored } from '../answers';
import { OpenBusAnswer } from '../answers-messages';
import { encode } from '../encode';
import { withTenantClient } from '../tenant-door';
import { MESSAGES_CHANNEL, wakeReaders } from '../wake';

/** What a call needs to know of a bus. */
export interface BusOpening {
  readonly runId: string;
  readonly publishers: readonly string[];
  readonly agentRuns: readonly string[];
  /** Whether it matters who is at work. */
  readonly busy: boolean;
}

type Opened = Extract<z.infer<typeof OpenBusAnswer>, { outcome: 'open' }>;

/** A dead letter as it is written; `raw` holds the beginning of what could not be read, in base64. */
export interface Burial extends Dead {
  readonly content?: Json | undefined;
  readonly raw?: string | undefined;
}

/** The bus of one run, locked until the call is over. */
export interface OpenBus {
  readonly final: boolean;
  readonly members: Opened['members'];
  readonly agentRuns: Opened['agentRuns'];
  readonly waits: readonly MessageWait[];
  readonly state: Omit<BusState, 'waiting' | 'published'>;
  /** What waits in these mailboxes, oldest first. */
  waiting(members: readonly string[]): Promise<ReadonlyMap<string, readonly Entry[]>>;
  /** What was published and never delivered to these members, oldest first. */
  published(members: readonly string[]): Promise<ReadonlyMap<string, readonly Published[]>>;
}

/** What to write; senders by publisher, since a log row names the member. */
export interface BusChange {
  readonly routed: Routed;
  readonly senders: ReadonlyMap<string, string>;
  readonly dead: readonly Burial[];
  /** Steps that have something to look at. */
  readonly found: readonly Found[];
}

const OPEN = 'select ensemble.open_bus_to_route($1::uuid, $2::jsonb) as answer';
const WRITE = 'select ensemble.write_bus($1::uuid, $2::jsonb, $3::json)';
/** A subscriber from the start gets no more than a mailbox could hold. */
const PUBLISHED_LIMIT = 10_000;

/**
 * Routes under the bus row's lock, in one transaction: opens, lets `decide` say what changes, writes it. Readers and
 * senders are woken after the commit. Throws RUN_UNKNOWN.
 */
export async function routeInBus(
  pool: Pool,
  { tenantId, opening }: { readonly tenantId: string; readonly opening: BusOpening },
  decide: (bus: OpenBus) => Promise<BusChange>,
): Promise<void> {
  await withTenantClient(pool, tenantId, async (client) => {
    const { rows } = await client.query<{ answer: unknown }>({
      name: 'ensemble.open_bus_to_route',
      text: OPEN,
      values: [tenantId, encode(opening)],
    });
    const opened = knownRun(parseStored(OpenBusAnswer, rows[0]?.answer), opening.runId);
    const key = { tenantId, runId: opening.runId };
    const change = await decide(openBus(client, opened, key));
    const written = { ...change, runId: opening.runId, lanes: lanesOf(opened, change.routed) };
    const values = [tenantId, encode(body(opened, written)), encode(messages(written))];
    await client.query({ name: 'ensemble.write_bus', text: WRITE, values });
    await noteFound(client, key, change.found);
  });
  wakeReaders(pool, MESSAGES_CHANNEL, `${tenantId}:${opening.runId}`);
}

interface RunKey {
  readonly tenantId: string;
  readonly runId: string;
}

/** Kept until the step has looked: whoever asks after this call, this one's own retry first, wakes it again. */
async function noteFound(client: PoolClient, key: RunKey, found: readonly Found[]): Promise<void> {
  for (const { address, seq, isNew } of found)
    if (isNew)
      await client.query(
        'update ensemble.message_waits set found = $4 where tenant_id = $1 and run_id = $2 and address = $3',
        [key.tenantId, key.runId, address, seq],
      );
}

function openBus(client: PoolClient, opened: Opened, key: RunKey): OpenBus {
  const { final, members, agentRuns, waits = [] } = opened;
  return {
    final,
    members,
    agentRuns,
    waits: waits.map(({ address, wanted, member, found }) => ({
      address,
      wanted: wanted as MessageWanted,
      member: member ?? undefined,
      found: found ?? undefined,
    })),
    state: {
      lastSeq: opened.lastSeq,
      nowMs: opened.nowMs,
      settings: opened.settings,
      members,
      subscriptions: opened.subscriptions.map(({ member, topic, where }) => ({
        member,
        topic: topic ?? undefined,
        where: (where ?? undefined) as Predicate | undefined,
      })),
      publishers: new Map(
        opened.publishers.map(({ publisher, last, turn, attempt, turn_from: turnFrom }) => [
          publisher,
          { last, turn, attempt, turnFrom },
        ]),
      ),
      pending: new Map(Object.entries(opened.pending)),
      busy: new Map(Object.entries(opened.busy)),
    },
    waiting: (names) => waiting(client, key, names),
    published: (names) => published(client, key, names),
  };
}

async function waiting(client: PoolClient, { tenantId, runId }: RunKey, members: readonly string[]) {
  const found = new Map<string, Entry[]>();
  if (members.length === 0) return found;
  // Locked first, so that nothing of it is read away before it is dropped.
  await client.query(
    `select from ensemble.mailboxes where tenant_id = $1 and run_id = $2 and member = any ($3)
      order by member for no key update`,
    [tenantId, runId, members],
  );
  const { rows } = await client.query<Entry & { member: string }>(
    `select d.member, m.seq::float8 as seq, m.priority
       from ensemble.deliveries d cross join unnest(d.pending) as waiting (seq)
      cross join lateral (select * from ensemble.agent_messages
        where tenant_id = $1 and run_id = $2 and seq = waiting.seq offset 0) as m
      where d.tenant_id = $1 and d.run_id = $2 and d.member = any ($3) and d.pending <> '{}'
      order by m.seq`,
    [tenantId, runId, members],
  );
  for (const { member, seq, priority } of rows)
    found.set(member, [...(found.get(member) ?? []), { seq, priority }]);
  return found;
}

interface PublishedRow {
  readonly member: string;
  readonly seq: number;
  readonly from: string;
  readonly item: MessageItem;
}

async function published(client: PoolClient, { tenantId, runId }: RunKey, members: readonly string[]) {
  const found = new Map<string, Published[]>();
  if (members.length === 0) return found;
  const { rows } = await client.query<PublishedRow>(
    `select wanted.member, m.seq::float8 as seq, m.from_agent as from,
            json_strip_nulls(json_build_object('type', m.type, 'topic', m.topic, 'priority', m.priority,
              'ref', m.content_ref))::jsonb
              || case when m.content is null then '{}' else jsonb_build_object('content', m.content::jsonb) end
              as item
       from unnest($3::text[]) as wanted (member)
       join ensemble.agent_messages m on m.tenant_id = $1 and m.run_id = $2 and m.topic is not null
        and (m.expires_at is null or m.expires_at > clock_timestamp())
      where not exists (
        select from ensemble.deliveries d
         where d.tenant_id = $1 and d.run_id = $2 and d.member = wanted.member and m.seq = any (d.seqs))
      order by m.seq limit ${PUBLISHED_LIMIT}`,
    [tenantId, runId, members],
  );
  for (const { member, ...message } of rows) found.set(member, [...(found.get(member) ?? []), message]);
  return found;
}

/** What stands for each publisher in the messages' rows. */
function lanesOf({ publishers }: Opened, routed: Routed): ReadonlyMap<string, string> {
  const lanes = new Map(publishers.map(({ publisher, lane }) => [publisher, lane]));
  for (const publisher of routed.publishers.keys()) if (!lanes.has(publisher)) lanes.set(publisher, uuidv7());
  return lanes;
}

interface Written extends BusChange {
  readonly runId: string;
  readonly lanes: ReadonlyMap<string, string>;
}

function body({ nowMs, settings: { retention } }: Opened, { runId, routed, senders, dead, lanes }: Written) {
  const expiries = new Map(routed.logged.map(({ seq, expiresAtMs }) => [seq, expiresAtMs]));
  return {
    runId,
    nowMs,
    lastSeq: routed.lastSeq,
    publishers: [...routed.publishers].map(([publisher, { turnFrom, ...state }]) => ({
      publisher,
      lane: lanes.get(publisher),
      sender: senders.get(publisher),
      ...state,
      turn_from: turnFrom,
    })),
    deliveries: [...routed.mailboxes]
      .map(([member, mailbox]) => {
        const seqs = mailbox.delivered.map(({ seq }) => seq);
        const blocking = routed.blocking.has(member);
        const ends = seqs.flatMap((seq) => expiries.get(seq) ?? []);
        // A spread over thousands of arguments would not fit on the stack.
        const first = ends.reduce((least, end) => Math.min(least, end), Number.POSITIVE_INFINITY);
        return {
          member,
          seqs,
          evicted: mailbox.evicted,
          blocking,
          expires_at_ms: ends.length > 0 ? first : null,
        };
      })
      .filter(({ seqs, evicted, blocking }) => seqs.length > 0 || evicted.length > 0 || blocking),
    dead: [...routed.dead.map(({ item, ...rest }) => ({ ...rest, content: item })), ...dead],
    subscriptions: routed.subscriptions.map(({ active, seq, subscription: { member, topic, where } }) => ({
      member,
      key: subscriptionKey({ topic, where }),
      topic,
      condition: where,
      active,
      seq,
    })),
    ...(retention === undefined ? {} : { retention }),
  };
}

/** Left out where they say nothing: the database fills them with null. */
function messages({ routed, lanes }: Written) {
  return routed.logged.map(({ seq, publisher, number, from, item, expiresAtMs }) => ({
    seq,
    lane: lanes.get(publisher),
    number,
    from,
    to: item.to,
    topic: item.topic,
    broadcast: item.broadcast,
    capability: item.capability,
    where: item.where,
    type: item.type,
    priority: item.priority ?? 'normal',
    correlation: item.correlationId,
    reply: item.replyTo,
    // Null and none are one in the row: without a reference, none reads as null.
    content: item.content,
    ref: item.ref,
    expires: expiresAtMs,
  }));
}
