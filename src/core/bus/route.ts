import { LIMITS } from '../../protocol/limits';
import type { Json } from '../../protocol/json';
import type {
  BusSettings,
  DeadLetterReason,
  LanedItem,
  Lane,
  MessageItem,
  SubscriptionRequest,
} from '../../protocol/message';
import { type Entry, Mailbox, rulesOf } from './mailbox';
import { judgeLane, NEW_PUBLISHER, type PublisherState } from './publisher';
import { type Audience, type Member, recipientsOf, type Subscription, wants } from './recipients';

/** How a run's bus stands before a call, as far as the call needs it. */
export interface BusState {
  readonly lastSeq: number;
  readonly nowMs: number;
  readonly settings: BusSettings;
  readonly members: readonly Member[];
  readonly subscriptions: readonly Subscription[];
  readonly publishers: ReadonlyMap<string, PublisherState>;
  /** Messages that wait, by member; a member without an entry has none. */
  readonly pending: ReadonlyMap<string, number>;
  /** The waiting messages themselves, oldest first, of mailboxes that drop and may overflow. */
  readonly waiting: ReadonlyMap<string, readonly Entry[]>;
  /** What was published before and not yet delivered, by members that now subscribe from the start. */
  readonly published: ReadonlyMap<string, readonly Published[]>;
  /** Executions under way, by member. */
  readonly busy: ReadonlyMap<string, number>;
}

/** A batch whose senders are known: who each lane is. */
export interface KnownBatch {
  readonly lanes: readonly (Lane & { readonly sender: string })[];
  readonly items: readonly LanedItem[];
}

export interface Logged {
  readonly seq: number;
  readonly publisher: string;
  readonly number: number;
  readonly from: string;
  readonly item: MessageItem;
  readonly expiresAtMs: number | undefined;
}

/** A message of the log, as a new subscription looks at it. */
export interface Published {
  readonly seq: number;
  readonly from: string;
  readonly item: MessageItem;
}

export interface Dead {
  readonly reason: DeadLetterReason;
  readonly detail: string;
  readonly publisher?: string | undefined;
  readonly seq?: number | undefined;
  readonly member?: string | undefined;
  /** Of what was never logged. */
  readonly item?: MessageItem | undefined;
}

/** What a member subscribed to or gave up, at a place of the log. */
export interface SubscriptionChange {
  readonly active: boolean;
  readonly subscription: Subscription;
  readonly seq: number;
  /** Where what was published before is wanted too. */
  readonly sinceStart: boolean;
}

/** Everything that one call changes. */
export interface Routed {
  readonly lastSeq: number;
  readonly logged: readonly Logged[];
  readonly mailboxes: ReadonlyMap<string, Mailbox>;
  readonly dead: readonly Dead[];
  readonly publishers: ReadonlyMap<string, PublisherState>;
  readonly subscriptions: readonly SubscriptionChange[];
  /** Mailboxes that made a sender wait. */
  readonly blocking: ReadonlySet<string>;
}

/** What a message holds beyond what can be seen: content behind references, and the judgement of its type. */
export interface Lookups {
  /** What is wrong with a message's type or content. */
  problemOf(item: MessageItem): { readonly reason: DeadLetterReason; readonly detail: string } | undefined;
  contentOf(item: MessageItem): Json | undefined;
}

/** Routes batches in the order in which they came in. Pure: what it decides is written by whoever called it. */
export function route(state: BusState, batches: readonly KnownBatch[], lookups: Lookups): Routed {
  const router = new Router(state, lookups);
  for (const batch of batches) router.take(batch);
  return router;
}

type KnownLane = KnownBatch['lanes'][number];

/** A lane of one batch under way: the next item's number, and whether it is still applied. */
interface Progress {
  readonly lane: KnownLane;
  next: number;
  halted: boolean;
  readonly gap: boolean;
}

class Router implements Routed {
  lastSeq: number;
  readonly logged: Logged[] = [];
  readonly mailboxes = new Map<string, Mailbox>();
  readonly dead: Dead[] = [];
  readonly publishers = new Map<string, PublisherState>();
  readonly subscriptions: SubscriptionChange[] = [];
  readonly blocking = new Set<string>();
  private active: Subscription[];
  private readonly audience: Audience;

  constructor(
    private readonly state: BusState,
    private readonly lookups: Lookups,
  ) {
    this.lastSeq = state.lastSeq;
    this.active = [...state.subscriptions];
    const routing = { subscriptions: () => this.active };
    this.audience = {
      members: new Map(state.members.map((member) => [member.name, member])),
      get subscriptions() {
        return routing.subscriptions();
      },
      isClient: (name) => name.startsWith('client:'),
      load: (member) => this.mailbox(member).load + (state.busy.get(member) ?? 0),
    };
  }

  take({ lanes, items }: KnownBatch): void {
    const counts = lanes.map(() => 0);
    for (const { lane = 0 } of items) counts[lane] = (counts[lane] ?? 0) + 1;
    const progress = lanes.map((lane, index) => this.begin(lane, counts[index] ?? 0));
    for (const item of items) {
      const lane = progress[item.lane ?? 0];
      if (lane !== undefined) this.step(lane, item);
    }
  }

  private begin(lane: KnownLane, count: number): Progress {
    const verdict = judgeLane(this.publisher(lane), lane, count);
    if (verdict.type !== 'fenced') this.publishers.set(lane.publisher, verdict.state);
    return { lane, next: lane.from, halted: verdict.type === 'fenced', gap: verdict.type === 'gap' };
  }

  private step(progress: Progress, item: LanedItem): void {
    const { lane, next: number } = progress;
    progress.next += 1;
    if (progress.gap) this.missed(lane, item);
    // Asked anew for every item: nothing keeps a batch from naming one publisher in two lanes.
    if (progress.gap || progress.halted || number <= this.publisher(lane).last) return;
    if (this.apply(lane, number, item))
      this.publishers.set(lane.publisher, { ...this.publisher(lane), last: number });
    else progress.halted = true;
  }

  private publisher({ publisher }: KnownLane): PublisherState {
    return this.publishers.get(publisher) ?? this.state.publishers.get(publisher) ?? NEW_PUBLISHER;
  }

  /** Whoever watches the log sends it again; from anybody else it would be lost without a word. */
  private missed(lane: KnownLane, item: MessageItem): void {
    if (lane.resends === true) return;
    const detail = `The batch starts at ${lane.from}, the log ends at ${this.publisher(lane).last}`;
    this.dead.push({ reason: 'gap', detail, publisher: lane.publisher, item });
  }

  /** False where the message, and with it the rest of its lane, has to wait for room. */
  private apply(lane: KnownLane, number: number, item: MessageItem): boolean {
    const { publisher, sender: from } = lane;
    const problem = this.lookups.problemOf(item);
    const names = problem === undefined ? this.namesFor(item, from) : [];
    if (lane.resends === true && this.mustWait(names)) return false;
    this.lastSeq += 1;
    const seq = this.lastSeq;
    const expiresAtMs = item.ttlMs === undefined ? undefined : this.state.nowMs + item.ttlMs;
    this.logged.push({ seq, publisher, number, from, item, expiresAtMs });
    if (problem !== undefined) this.dead.push({ ...problem, publisher, seq });
    else if (item.type.startsWith('bus.')) this.control(item, from, seq);
    else if (Array.isArray(names))
      for (const name of names) this.deliver(name, { seq, from, item, publisher });
    else this.dead.push({ ...(names as Undeliverable), publisher, seq });
    return true;
  }

  private namesFor(item: MessageItem, from: string): readonly string[] | Undeliverable {
    if (item.type.startsWith('bus.')) return [];
    const document = { item, from, content: this.lookups.contentOf(item) };
    const recipients = recipientsOf(this.audience, document);
    return recipients.type === 'members'
      ? recipients.names
      : { reason: recipients.reason, detail: recipients.detail, member: item.to };
  }

  private mustWait(names: readonly string[] | Undeliverable): boolean {
    if (!Array.isArray(names)) return false;
    const full = (names as readonly string[]).filter((name) => {
      const mailbox = this.mailbox(name);
      return mailbox.rules.policy === 'block' && mailbox.isFull();
    });
    for (const name of full) this.blocking.add(name);
    return full.length > 0;
  }

  private deliver(
    member: string,
    { seq, item, publisher }: Published & { readonly publisher?: string },
  ): void {
    const mailbox = this.mailbox(member);
    const dropped = mailbox.evicted.length;
    const taken = mailbox.take({ seq, priority: item.priority ?? 'normal' });
    for (const victim of mailbox.evicted.slice(dropped))
      this.dead.push({
        reason: 'dropped',
        detail: `Dropped from the full mailbox of ${member} for a more urgent message`,
        seq: victim,
        member,
      });
    if (taken) return;
    const detail = `The mailbox of ${member} is full: it holds ${mailbox.rules.limit} messages`;
    this.dead.push({ reason: 'mailbox-full', detail, publisher, seq, member });
  }

  private control({ type, content }: MessageItem, member: string, seq: number): void {
    const { topic, where, since } = content as SubscriptionRequest;
    const subscription = { member, topic, where };
    const key = subscriptionKey(subscription);
    const others = this.active.filter((one) => one.member !== member || subscriptionKey(one) !== key);
    const active = type === 'bus.subscribe';
    const known = others.length < this.active.length;
    if (active && others.filter((one) => one.member === member).length >= LIMITS.subscriptionsPerMember) {
      const detail = `${member} has ${LIMITS.subscriptionsPerMember} subscriptions: give one up before the next`;
      this.dead.push({ reason: 'invalid', detail, seq, member });
      return;
    }
    this.active = active ? [...others, subscription] : others;
    const sinceStart = active && !known && since === 'start';
    this.subscriptions.push({ active, subscription, seq, sinceStart });
    if (!sinceStart) return;
    const before = [...(this.state.published.get(member) ?? []), ...this.logged];
    const has = new Set(this.mailbox(member).delivered.map((entry) => entry.seq));
    for (const earlier of before)
      if (
        earlier.from !== member &&
        !has.has(earlier.seq) &&
        wants(subscription, { ...earlier, content: this.lookups.contentOf(earlier.item) })
      )
        this.deliver(member, earlier);
  }

  private mailbox(member: string): Mailbox {
    const known = this.mailboxes.get(member);
    if (known !== undefined) return known;
    const { settings, pending, waiting } = this.state;
    const mailbox = new Mailbox(rulesOf(settings, member), pending.get(member) ?? 0, waiting.get(member));
    this.mailboxes.set(member, mailbox);
    return mailbox;
  }
}

interface Undeliverable {
  readonly reason: DeadLetterReason;
  readonly detail: string;
  readonly member: string | undefined;
}

/** Tells a member's subscriptions apart. */
export function subscriptionKey({ topic, where }: Pick<Subscription, 'topic' | 'where'>): string {
  return JSON.stringify([topic ?? null, where ?? null]);
}
