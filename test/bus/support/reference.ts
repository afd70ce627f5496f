import type { KnownBatch } from '../../../src/core/bus/route';
import type { BusSettings, MessagePriority } from '../../../src/protocol/message';
import type { Outcome } from './store';

const ORDER: readonly MessagePriority[] = ['low', 'normal', 'high', 'urgent'];

interface Letter {
  readonly seq: number;
  readonly rank: number;
  readonly dies: number;
}

/**
 * What the bus is supposed to do, said as simply as possible: one message after the other, everything in lists, every
 * question answered by looking through all of them. Shares nothing with the rules it is compared with.
 */
export class Reference {
  private readonly logged: { id: string; publisher: string; number: number }[] = [];
  private readonly fences: { publisher: string; turn: number; attempt: number }[] = [];
  private readonly letters: { member: string; letter: Letter }[] = [];
  private readonly dead: string[] = [];
  private now = 0;

  constructor(
    private readonly settings: BusSettings,
    private readonly members: readonly string[],
  ) {}

  route(batches: readonly KnownBatch[]): void {
    this.expire();
    for (const { lanes, items } of batches) {
      // Whether a lane is heard is settled when its batch comes in.
      const states = lanes.map((lane, index) => ({ lane, ...this.hear(lane, items, index) }));
      for (const item of items) {
        const state = states[item.lane ?? 0];
        if (state === undefined) continue;
        const number = state.next++;
        if (state.deaf || state.stopped) continue;
        if (state.gap) {
          if (state.lane.resends !== true) this.dead.push('gap - -');
          continue;
        }
        if (number <= this.last(state.lane.publisher)) continue;
        if (!this.take(state.lane, number, item)) state.stopped = true;
      }
    }
  }

  consume(member: string, count: number): void {
    this.expire();
    for (const seq of this.reading(member).slice(0, count)) this.remove(member, seq);
  }

  pass(ms: number): void {
    this.now += ms;
  }

  outcome(): Outcome {
    this.expire();
    return {
      log: this.logged.map(({ id }) => id),
      mailboxes: Object.fromEntries(this.members.map((member) => [member, this.reading(member)])),
      dead: this.dead,
    };
  }

  private hear(lane: KnownBatch['lanes'][number], items: KnownBatch['items'], index: number) {
    const fence = this.fences.filter(({ publisher }) => publisher === lane.publisher).at(-1);
    const older =
      fence !== undefined &&
      (lane.turn < fence.turn || (lane.turn === fence.turn && lane.attempt < fence.attempt));
    if (!older) this.fences.push({ publisher: lane.publisher, turn: lane.turn, attempt: lane.attempt });
    const any = items.some((item) => (item.lane ?? 0) === index);
    const gap = any && lane.from > this.last(lane.publisher) + 1;
    return { next: lane.from, deaf: older, gap, stopped: false };
  }

  private take(
    lane: KnownBatch['lanes'][number],
    number: number,
    item: KnownBatch['items'][number],
  ): boolean {
    const recipients = this.recipients(lane.sender, item);
    const rules = (member: string) => ({
      limit: this.settings.mailboxes?.[member]?.limit ?? this.settings.mailbox?.limit ?? 1_000,
      policy: this.settings.mailboxes?.[member]?.policy ?? this.settings.mailbox?.policy ?? 'reject',
    });
    const full = (member: string) => this.reading(member).length >= rules(member).limit;
    if (
      lane.resends === true &&
      recipients.some((member) => full(member) && rules(member).policy === 'block')
    )
      return false;
    this.logged.push({ id: `${lane.publisher}/${number}`, publisher: lane.publisher, number });
    const seq = this.logged.length;
    const rank = ORDER.indexOf(item.priority ?? 'normal');
    if (item.to !== undefined && recipients.length === 0)
      this.dead.push(`unknown-recipient ${seq} ${item.to}`);
    for (const member of recipients) {
      if (full(member) && rules(member).policy === 'drop-lowest') {
        const lower = this.letters
          .filter((one) => one.member === member && one.letter.rank < rank)
          .toSorted((a, b) => a.letter.rank - b.letter.rank || a.letter.seq - b.letter.seq)[0];
        if (lower !== undefined) {
          this.remove(member, lower.letter.seq);
          this.dead.push(`dropped ${lower.letter.seq} ${member}`);
        }
      }
      if (full(member)) this.dead.push(`mailbox-full ${seq} ${member}`);
      else this.letters.push({ member, letter: { seq, rank, dies: this.now + (item.ttlMs ?? Infinity) } });
    }
    return true;
  }

  private recipients(sender: string, { to, capability }: KnownBatch['items'][number]): readonly string[] {
    const others = this.members.filter((member) => member !== sender);
    if (to !== undefined) return this.members.filter((member) => member === to);
    if (capability === undefined) return others;
    const load = (member: string) => this.reading(member).length;
    return others.toSorted((a, b) => load(a) - load(b) || (a < b ? -1 : 1)).slice(0, 1);
  }

  private last(publisher: string): number {
    return Math.max(
      0,
      ...this.logged.filter((one) => one.publisher === publisher).map(({ number }) => number),
    );
  }

  private reading(member: string): number[] {
    return this.letters
      .filter((one) => one.member === member)
      .toSorted((a, b) => b.letter.rank - a.letter.rank || a.letter.seq - b.letter.seq)
      .map(({ letter }) => letter.seq);
  }

  private remove(member: string, seq: number): void {
    const at = this.letters.findIndex((one) => one.member === member && one.letter.seq === seq);
    this.letters.splice(at, 1);
  }

  private expire(): void {
    for (const member of this.members)
      for (const { letter } of this.letters.filter((one) => one.member === member))
        if (letter.dies <= this.now) {
          this.remove(member, letter.seq);
          this.dead.push(`expired ${letter.seq} ${member}`);
        }
  }
}
