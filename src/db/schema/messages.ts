import { sql } from 'drizzle-orm';
import {
  bigint,
  boolean,
  check,
  foreignKey,
  index,
  integer,
  json,
  jsonb,
  primaryKey,
  text,
  unique,
  uuid,
} from 'drizzle-orm/pg-core';
import type { BlobRef, Json } from '../../protocol/json';
import type { BusSettings, DeadLetterReason, MessageWanted } from '../../protocol/message';
import type { Predicate } from '../../protocol/predicate';
import { bytea, createdAt, ensemble, messagePriority, moment, tenantId, tenantPolicy } from './ensemble';
import { runs } from './runs';

const number = (name: string) => bigint(name, { mode: 'number' });
const numbers = (name: string) => bigint(name, { mode: 'number' }).array().notNull();
const runId = () => uuid('run_id').notNull();

/** One row per run that talks: the lock under which its messages are routed, and the counters of its order. */
export const buses = ensemble.table(
  'buses',
  {
    tenantId: tenantId(),
    runId: runId(),
    lastSeq: number('last_seq').notNull().default(0),
    /** The first message that retention has left. */
    firstSeq: number('first_seq').notNull().default(1),
    lastBatch: number('last_batch').notNull().default(0),
    lastDead: number('last_dead').notNull().default(0),
    settings: jsonb('settings').$type<BusSettings>().notNull().default({}),
    createdAt: createdAt(),
  },
  (table) => [
    primaryKey({ columns: [table.tenantId, table.runId] }),
    foreignKey({
      name: 'buses_run',
      columns: [table.tenantId, table.runId],
      foreignColumns: [runs.tenantId, runs.id],
    }).onDelete('cascade'),
    tenantPolicy(),
  ],
);

/** Who sends in a run: how far the log has come, and which of its attempts may still add to it. */
export const publishers = ensemble.table(
  'publishers',
  {
    tenantId: tenantId(),
    runId: runId(),
    publisher: text('publisher').notNull(),
    /** Stands for the publisher in every message's row. */
    lane: uuid('lane').notNull(),
    sender: text('sender').notNull(),
    last: number('last').notNull(),
    turn: integer('turn').notNull(),
    attempt: integer('attempt').notNull(),
    turnFrom: number('turn_from').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.tenantId, table.runId, table.publisher] }),
    unique('publishers_lane').on(table.tenantId, table.lane),
    busOf('publishers_bus', table),
    tenantPolicy(),
  ],
);

/** The log: what members told each other, in the run's one order. `seq` has no gaps. */
export const agentMessages = ensemble.table(
  'agent_messages',
  {
    tenantId: tenantId(),
    runId: runId(),
    seq: number('seq').notNull(),
    lane: uuid('lane').notNull(),
    number: number('number').notNull(),
    fromAgent: text('from_agent').notNull(),
    toAgent: text('to_agent'),
    topic: text('topic'),
    broadcast: boolean('broadcast'),
    capability: text('capability'),
    condition: json('condition').$type<Predicate>(),
    type: text('type').notNull(),
    priority: messagePriority('priority').notNull(),
    correlationId: text('correlation_id'),
    replyTo: text('reply_to'),
    // As text: nothing asks PostgreSQL what is in it, and taking it apart would be paid for with every message.
    content: json('content').$type<Json>(),
    contentRef: json('content_ref').$type<BlobRef>(),
    expiresAt: moment('expires_at'),
    createdAt: moment('created_at').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.tenantId, table.runId, table.seq] }),
    // Without the run: while it is young, the planner could not tell this index from the primary key's.
    unique('agent_messages_number').on(table.tenantId, table.lane, table.number),
    busOf('agent_messages_bus', table),
    index('agent_messages_published')
      .on(table.tenantId, table.runId, table.seq)
      .where(sql`topic is not null`),
    check('agent_messages_seq', sql`${table.seq} > 0`),
    tenantPolicy(),
  ],
);

/** How many messages wait for whom. */
export const mailboxes = ensemble.table(
  'mailboxes',
  {
    tenantId: tenantId(),
    runId: runId(),
    member: text('member').notNull(),
    pending: integer('pending').notNull(),
    delivered: number('delivered').notNull(),
    consumed: number('consumed').notNull(),
    /** Whoever makes room tells the senders that wait for it. */
    blocking: boolean('blocking').notNull().default(false),
  },
  (table) => [
    primaryKey({ columns: [table.tenantId, table.runId, table.member] }),
    busOf('mailboxes_bus', table),
    check('mailboxes_pending', sql`${table.pending} >= 0`),
    tenantPolicy(),
  ],
);

/** What came into a mailbox with one routed batch, and what of it waits: one row for many messages. */
export const deliveries = ensemble.table(
  'deliveries',
  {
    tenantId: tenantId(),
    runId: runId(),
    member: text('member').notNull(),
    batch: number('batch').notNull(),
    seqs: numbers('seqs'),
    pending: numbers('pending'),
    /** When the first of those that wait is dead. */
    expiresAt: moment('expires_at'),
  },
  (table) => [
    primaryKey({ columns: [table.tenantId, table.runId, table.member, table.batch] }),
    busOf('deliveries_bus', table),
    index('deliveries_pending')
      .on(table.tenantId, table.runId, table.member, table.batch)
      .where(sql`pending <> '{}'`),
    index('deliveries_expiring')
      .on(table.tenantId, table.runId, table.expiresAt)
      .where(sql`expires_at is not null`),
    tenantPolicy(),
  ],
);

/** What members want to hear of. */
export const subscriptions = ensemble.table(
  'subscriptions',
  {
    tenantId: tenantId(),
    runId: runId(),
    member: text('member').notNull(),
    key: text('key').notNull(),
    topic: text('topic'),
    condition: jsonb('condition').$type<Predicate>(),
    active: boolean('active').notNull(),
    /** The message that said so last. */
    seq: number('seq').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.tenantId, table.runId, table.member, table.key] }),
    busOf('subscriptions_bus', table),
    tenantPolicy(),
  ],
);

/** What could not be delivered, and why. */
export const deadLetters = ensemble.table(
  'dead_letters',
  {
    tenantId: tenantId(),
    runId: runId(),
    no: number('no').notNull(),
    reason: text('reason').$type<DeadLetterReason>().notNull(),
    detail: text('detail').notNull(),
    seq: number('seq'),
    member: text('member'),
    publisher: text('publisher'),
    content: json('content').$type<Json>(),
    /** The beginning of a batch that could not be read. */
    raw: bytea('raw'),
    createdAt: createdAt(),
    redrivenAt: moment('redriven_at'),
  },
  (table) => [
    primaryKey({ columns: [table.tenantId, table.runId, table.no] }),
    busOf('dead_letters_bus', table),
    tenantPolicy(),
  ],
);

/** Steps of plans that wait for a message: what for, and what has come that may be it. */
export const messageWaits = ensemble.table(
  'message_waits',
  {
    tenantId: tenantId(),
    runId: runId(),
    /** Of the step, its visit and attempt included. */
    address: text('address').notNull(),
    wanted: jsonb('wanted').$type<MessageWanted>().notNull(),
    /** Of an agent that sleeps: only what its mailbox gets wakes it. */
    member: text('member'),
    /** The log was looked through up to here. */
    after: number('after').notNull(),
    /** The first message after that which may be it. */
    found: number('found'),
    until: moment('until').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.tenantId, table.runId, table.address] }),
    busOf('message_waits_bus', table),
    tenantPolicy(),
  ],
);

/** Everything of a bus goes with its run. */
function busOf(name: string, table: { readonly tenantId: BusColumn; readonly runId: BusColumn }) {
  return foreignKey({
    name,
    columns: [table.tenantId, table.runId],
    foreignColumns: [buses.tenantId, buses.runId],
  }).onDelete('cascade');
}
type BusColumn = Parameters<typeof foreignKey>[0]['columns'][0];
