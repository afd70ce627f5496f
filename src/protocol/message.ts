import { z } from 'zod';
import { AgentName } from './agent';
import { BlobRef, Json } from './json';
import { LIMITS } from './limits';
import { Predicate } from './predicate';

/** How urgent a message is, lowest first. */
export const MESSAGE_PRIORITIES = ['low', 'normal', 'high', 'urgent'] as const;
export type MessagePriority = (typeof MESSAGE_PRIORITIES)[number];

/** The kinds that every bus knows; plugins register more (src/protocol/message-type.ts). */
export const MESSAGE_TYPES = ['request', 'response', 'inform', 'event', 'command', 'handoff'] as const;

/** What a member tells the bus itself, in order with its messages. */
export const SUBSCRIBE = 'bus.subscribe';
export const UNSUBSCRIBE = 'bus.unsubscribe';

/** Control items are for the bus itself: they have no recipient. */
export function isControl(type: string): boolean {
  return type.startsWith('bus.');
}

export const MessageType = z
  .string()
  .regex(/^[a-z][a-z0-9.-]{0,63}$/, 'must be lower-case letters, digits, dots and dashes');

const SEGMENT = '[A-Za-z0-9_-]+';
const topicText = z.string().max(LIMITS.topicChars);
/** `finding.licence.high`: segments between dots. */
const Topic = topicText.regex(
  new RegExp(`^${SEGMENT}(\\.${SEGMENT}){0,${LIMITS.topicSegments - 1}}$`),
  'must be segments of letters, digits, dashes and underscores between dots',
);
/** A topic in which `*` stands for one segment and `#`, at the end, for any number of them. */
const TopicPattern = topicText.regex(
  new RegExp(`^(#|(${SEGMENT}|\\*)(\\.(${SEGMENT}|\\*)){0,${LIMITS.topicSegments - 1}}(\\.#)?)$`),
  'must be a topic in which * stands for one segment and # at the end for the rest',
);

/** A sender from outside the run: a name, and after a slash whatever tells its instances apart. */
export const ClientPublisher = z
  .string()
  .max(LIMITS.publisherChars)
  .regex(
    /^client:[a-z0-9][a-z0-9._-]{0,63}(\/[A-Za-z0-9._-]+)?$/,
    'must be client:NAME or client:NAME/INSTANCE',
  );
const ClientName = z.string().regex(/^client:[a-z0-9][a-z0-9._-]{0,63}$/);

/** Who receives: a member of the run, or a client that reads the replies to it from the history. */
const Recipient = z.union([AgentName, ClientName]);

const target = {
  to: Recipient.optional(),
  topic: Topic.optional(),
  broadcast: z.literal(true).optional(),
  /** Every member for whose `{name, agentType, capabilities: {NAME: true}}` the predicate holds. */
  where: Predicate.optional(),
  /** The least busy member that has it. */
  capability: z.string().min(1).max(LIMITS.capabilityChars).optional(),
};
const TARGETS = ['to', 'topic', 'broadcast', 'where', 'capability'] as const;
export const TARGET_PROBLEM = `must have exactly one of ${TARGETS.join(', ')}; bus.* has none`;

/** One message as a sender writes it: exactly one target, and content inline or by reference. */
export const MessageItem = z
  .strictObject({
    ...target,
    type: MessageType,
    priority: z.enum(MESSAGE_PRIORITIES).optional(),
    correlationId: z.string().min(1).max(LIMITS.correlationChars).optional(),
    replyTo: Recipient.optional(),
    content: Json.optional(),
    ref: BlobRef.optional(),
    /** Not read for so long, it is dead. */
    ttlMs: z.int().min(1).max(LIMITS.messageTtlMs).optional(),
  })
  .superRefine((item, context) => {
    const targets = TARGETS.filter((name) => item[name] !== undefined).length;
    if (targets !== (isControl(item.type) ? 0 : 1)) context.addIssue(TARGET_PROBLEM);
    if ((item.content === undefined) === (item.ref === undefined))
      context.addIssue('must have exactly one of content, ref');
  });
export type MessageItem = z.infer<typeof MessageItem>;

/** What `bus.subscribe` and `bus.unsubscribe` hold: topics by pattern, messages by content, or both together. */
export const SubscriptionRequest = z
  .strictObject({
    topic: TopicPattern.optional(),
    /** Holds for `{type, topic, from, priority, content}` of a message. */
    where: Predicate.optional(),
    /** `start`: also what was published before, as long as the log has it. */
    since: z.enum(['now', 'start']).optional(),
  })
  .refine(
    ({ topic, where }) => topic !== undefined || where !== undefined,
    'must have a topic, a where, or both',
  );
export type SubscriptionRequest = z.infer<typeof SubscriptionRequest>;

/** Who sends: a lane of a member, or a client. Turn and attempt fence: what an older one still sends is not applied. */
export interface Lane {
  /** An agent run's id, or `client:NAME/INSTANCE`. */
  readonly publisher: string;
  readonly turn: number;
  readonly attempt: number;
  /** The number of the lane's first item in this batch; a publisher's numbers start at 1 and have no gaps. */
  readonly from: number;
  /** HMAC-SHA256 of the lane and its items under the attempt's token, for members. */
  readonly mac?: string | undefined;
  /** The sender watches the log and sends again what is not in it. */
  readonly resends?: boolean | undefined;
}

const lane = {
  publisher: z.string().min(1).max(LIMITS.publisherChars),
  turn: z.int().min(1).default(1),
  attempt: z.int().min(1).default(1),
  from: z.int().min(1),
  mac: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .optional(),
  resends: z.boolean().optional(),
};

/** The argument of signal `bus.deliver` from one sender. */
export const MessageBatch = z.strictObject({
  ...lane,
  items: z.array(MessageItem).max(LIMITS.batchItems),
});
export type MessageBatch = z.input<typeof MessageBatch>;

/** A batch as the router takes it: several lanes, their items in causal order, each with the index of its lane. */
export interface LanedBatch {
  readonly lanes: readonly Lane[];
  readonly items: readonly LanedItem[];
}
export interface LanedItem extends MessageItem {
  readonly lane?: number | undefined;
}

/** What a mailbox does with a message for which it has no room. */
export const MAILBOX_POLICIES = ['reject', 'drop-lowest', 'block'] as const;
export type MailboxPolicy = (typeof MAILBOX_POLICIES)[number];

const MailboxBounds = z.strictObject({
  limit: z.int().min(1).max(LIMITS.mailboxLimitMost).optional(),
  policy: z.enum(MAILBOX_POLICIES).optional(),
});

/** How the bus of a run is bounded. What is left out keeps its default: 1,000 messages, reject, everything retained. */
export const BusSettings = z.strictObject({
  mailbox: MailboxBounds.optional(),
  /** By member, over `mailbox`. */
  mailboxes: z.record(AgentName, MailboxBounds).optional(),
  retention: z
    .strictObject({
      /** Messages kept in the log; older ones go, and are dead where nobody has read them. */
      messages: z.int().min(1).optional(),
      ageMs: z.int().min(1).optional(),
    })
    .optional(),
});
export type BusSettings = z.infer<typeof BusSettings>;

/** Why a message was not delivered. */
export const DEAD_LETTER_REASONS = [
  'undecodable',
  'invalid',
  'unknown-type',
  'unknown-publisher',
  'gap',
  'unknown-recipient',
  'no-capability',
  'mailbox-full',
  'dropped',
  'expired',
  'retention',
  'bus-closed',
] as const;
export type DeadLetterReason = (typeof DEAD_LETTER_REASONS)[number];

/** A message as the log holds it: `seq` is the run's one total order, without gaps. */
export interface Message {
  /** Publisher and number: the same for every observer. */
  readonly id: string;
  readonly runId: string;
  /** From 1; 0 for one that was read in its sender's process before it was in the log. */
  readonly seq: number;
  readonly from: string;
  readonly to?: string;
  readonly topic?: string;
  readonly broadcast?: true;
  readonly where?: Predicate;
  readonly capability?: string;
  readonly type: string;
  readonly priority: MessagePriority;
  readonly correlationId?: string;
  readonly replyTo?: string;
  readonly content?: Json;
  readonly ref?: BlobRef;
  /** ISO 8601, as all times here. */
  readonly expiresAt?: string;
  readonly createdAt: string;
}

/** Which messages of a run's log a step waits for, whoever they are for. */
export interface MessageWanted {
  readonly from?: string | undefined;
  readonly type?: string | undefined;
  readonly where?: Predicate | undefined;
}

/** A page of a run's log. */
export interface HistoryOptions {
  /** Only messages after this one of the run's order. */
  readonly after?: number;
  /** 100 unless said otherwise, 1,000 at most. */
  readonly limit?: number;
  readonly from?: string;
  readonly to?: string;
  readonly type?: string;
  readonly topic?: string;
  readonly correlationId?: string;
}

/** What became of a message for one recipient. */
export interface Receipt {
  readonly member: string;
  readonly status: 'delivered' | 'consumed' | 'dead';
  readonly reason?: DeadLetterReason;
}

export interface DeadLetter {
  readonly no: number;
  readonly reason: DeadLetterReason;
  readonly detail: string;
  /** The logged message, and for whom it was. */
  readonly seq?: number;
  readonly member?: string;
  readonly publisher?: string;
  /** What could be read of a message or batch that was never logged. */
  readonly content?: Json;
  readonly createdAt: string;
  readonly redrivenAt?: string;
}

/** How a run's bus stands. */
export interface MessageCounts {
  readonly logged: number;
  readonly dead: number;
  readonly mailboxes: readonly {
    readonly member: string;
    readonly pending: number;
    readonly delivered: number;
    readonly consumed: number;
  }[];
}
