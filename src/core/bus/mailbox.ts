import type { BusSettings, MailboxPolicy, MessagePriority } from '../../protocol/message';
import { LIMITS } from '../../protocol/limits';

const RANK: Readonly<Record<MessagePriority, number>> = { low: 0, normal: 1, high: 2, urgent: 3 };

/**
 * The order in which a mailbox is read: the most urgent first, and first in, first out among equals; what is not in the
 * log yet, and has 0 for a number, comes after what is.
 */
export function inReadingOrder(
  a: { readonly priority: MessagePriority; readonly seq: number },
  b: { readonly priority: MessagePriority; readonly seq: number },
): number {
  const bySeq = a.seq > 0 && b.seq > 0 ? a.seq - b.seq : Number(a.seq === 0) - Number(b.seq === 0);
  return RANK[b.priority] - RANK[a.priority] || bySeq;
}

/** A message that waits in a mailbox. */
export interface Entry {
  readonly seq: number;
  readonly priority: MessagePriority;
}

export interface MailboxRules {
  readonly limit: number;
  readonly policy: MailboxPolicy;
}

export function rulesOf({ mailbox, mailboxes }: BusSettings, member: string): MailboxRules {
  const own = mailboxes !== undefined && Object.hasOwn(mailboxes, member) ? mailboxes[member] : undefined;
  return {
    limit: own?.limit ?? mailbox?.limit ?? LIMITS.mailboxMessages,
    policy: own?.policy ?? mailbox?.policy ?? 'reject',
  };
}

/** One mailbox while a batch is routed: what waits in it, what comes in, and what must go for it. */
export class Mailbox {
  readonly delivered: Entry[] = [];
  readonly evicted: number[] = [];
  private readonly waiting: Entry[];

  /** `waiting` is needed in full only where a message may be dropped for another. */
  constructor(
    readonly rules: MailboxRules,
    private pending: number,
    waiting: readonly Entry[] = [],
  ) {
    this.waiting = [...waiting];
  }

  isFull(): boolean {
    return this.pending >= this.rules.limit;
  }

  /** How much there is to do for its member. */
  get load(): number {
    return this.pending;
  }

  /** False where there is no room for the message, whatever the policy does for others. */
  take(entry: Entry): boolean {
    if (this.isFull() && !(this.rules.policy === 'drop-lowest' && this.evictFor(entry))) return false;
    this.pending += 1;
    this.delivered.push(entry);
    return true;
  }

  /** Drops the oldest of the least urgent, where that is less urgent than what comes in. */
  private evictFor({ priority }: Entry): boolean {
    const candidates = [...this.waiting, ...this.delivered];
    const least = Math.min(...candidates.map((entry) => RANK[entry.priority]));
    if (!(least < RANK[priority])) return false;
    const victim = candidates.find((entry) => RANK[entry.priority] === least);
    if (victim === undefined) return false;
    for (const list of [this.waiting, this.delivered]) {
      const at = list.indexOf(victim);
      if (at >= 0) list.splice(at, 1);
    }
    this.evicted.push(victim.seq);
    this.pending -= 1;
    return true;
  }
}
