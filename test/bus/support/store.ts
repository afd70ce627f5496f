import { inReadingOrder } from '../../../src/core/bus/mailbox';
import { type BusState, type KnownBatch, route } from '../../../src/core/bus/route';
import type { BusSettings, MessagePriority } from '../../../src/protocol/message';
import type { PublisherState } from '../../../src/core/bus/publisher';

interface Waiting {
  readonly seq: number;
  readonly priority: MessagePriority;
  readonly expiresAtMs: number | undefined;
}

/** What a bus came to: everything that anybody could see of it. */
export interface Outcome {
  /** `publisher/number`, in order. */
  readonly log: readonly string[];
  /** Sequence numbers in reading order, by member. */
  readonly mailboxes: Readonly<Record<string, readonly number[]>>;
  readonly dead: readonly string[];
}

/** The pure rules over a store in memory, as PostgreSQL is one. */
export class Store {
  private lastSeq = 0;
  private nowMs = 0;
  private readonly log: string[] = [];
  private readonly dead: string[] = [];
  private readonly waiting = new Map<string, Waiting[]>();
  private readonly publishers = new Map<string, PublisherState>();

  constructor(
    private readonly settings: BusSettings,
    private readonly members: readonly string[],
  ) {}

  route(batches: readonly KnownBatch[]): void {
    this.expire();
    const routed = route(this.state(), batches, { problemOf: () => undefined, contentOf: () => null });
    this.lastSeq = routed.lastSeq;
    const expiries = new Map(routed.logged.map(({ seq, expiresAtMs }) => [seq, expiresAtMs]));
    for (const { publisher, number } of routed.logged) this.log.push(`${publisher}/${number}`);
    for (const [publisher, state] of routed.publishers) this.publishers.set(publisher, state);
    for (const [member, { delivered, evicted }] of routed.mailboxes)
      this.waiting.set(member, [
        ...this.of(member).filter(({ seq }) => !evicted.includes(seq)),
        ...delivered.map((entry) => ({ ...entry, expiresAtMs: expiries.get(entry.seq) })),
      ]);
    for (const { reason, seq, member } of routed.dead)
      this.dead.push(`${reason} ${seq ?? '-'} ${member ?? '-'}`);
  }

  /** Reads the next messages of a mailbox. */
  consume(member: string, count: number): void {
    this.expire();
    const read = this.of(member).toSorted(inReadingOrder).slice(0, count);
    this.waiting.set(
      member,
      this.of(member).filter((one) => !read.includes(one)),
    );
  }

  pass(ms: number): void {
    this.nowMs += ms;
  }

  outcome(): Outcome {
    this.expire();
    const mailboxes = this.members.map((member) => [
      member,
      this.of(member)
        .toSorted(inReadingOrder)
        .map(({ seq }) => seq),
    ]);
    return { log: this.log, mailboxes: Object.fromEntries(mailboxes), dead: this.dead };
  }

  private of(member: string): readonly Waiting[] {
    return this.waiting.get(member) ?? [];
  }

  private expire(): void {
    for (const member of this.members) {
      const gone = this.of(member).filter(({ expiresAtMs = Infinity }) => expiresAtMs <= this.nowMs);
      this.waiting.set(
        member,
        this.of(member).filter((one) => !gone.includes(one)),
      );
      for (const { seq } of gone) this.dead.push(`expired ${seq} ${member}`);
    }
  }

  private state(): BusState {
    return {
      lastSeq: this.lastSeq,
      nowMs: this.nowMs,
      settings: this.settings,
      members: this.members.map((name) => ({ name, agentType: 'custom', capabilities: ['talk'] })),
      subscriptions: [],
      publishers: this.publishers,
      pending: new Map(this.members.map((member) => [member, this.of(member).length])),
      waiting: new Map(this.members.map((member) => [member, this.of(member)])),
      published: new Map(),
      busy: new Map(),
    };
  }
}
