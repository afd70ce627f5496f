import { Inbox } from '../../../src/core/bus/inbox';
import { SenderOrder } from '../../../src/core/bus/sender-order';
import type { Message, MessagePriority } from '../../../src/protocol/message';

/** One thing that happens around a mailbox. */
export type Happening =
  | {
      readonly type: 'say';
      readonly sender: number;
      readonly priority: MessagePriority;
      readonly wide: boolean;
    }
  | { readonly type: 'route'; readonly count: number; readonly full: boolean }
  | { readonly type: 'tell' | 'look' | 'begin-look' | 'end-look' | 'receive' }
  | { readonly type: 'fail'; readonly sender: number };

interface Said {
  readonly id: string;
  readonly sender: number;
  readonly priority: MessagePriority;
  /** Tells apart what different attempts said under one number. */
  readonly content: number;
  readonly isShort: boolean;
  /** Of the attempt that said it. */
  readonly order: SenderOrder;
  fate: 'under-way' | 'delivered' | 'dead' | 'given-up';
  seq: number;
}

const STRAGGLER = 5;

/**
 * Two senders, one outbox, the log and a reader, with everything that can come between them: messages that are logged late,
 * refused for want of room, given up, or said again by another attempt under the same number.
 */
export class ShortWorld {
  readonly inbox = new Inbox();
  readonly said: Said[] = [];
  readonly heard: Said[] = [];
  private now = 0;
  private seq = 0;
  private readonly senders = [0, 1].map(() => ({ order: new SenderOrder(0), numbers: 0 }));
  private outbox: Said[] = [];
  private untold: Said[] = [];
  private brought = 0;
  private look: { readonly since: number; readonly upTo: number } | undefined;

  constructor() {
    this.inbox.limit = 1_000;
    this.lookNow();
  }

  happen(one: Happening): void {
    this.now += 1;
    if (one.type === 'say') this.say(one);
    else if (one.type === 'route') this.route(one.count, one.full);
    else if (one.type === 'fail') this.fail(one.sender);
    else if (one.type === 'tell') this.tell();
    else if (one.type === 'look') this.lookNow();
    else if (one.type === 'begin-look') this.look ??= { since: this.now, upTo: this.seq };
    else if (one.type === 'end-look') this.endLook();
    else this.receive();
  }

  /** Until nothing changes any more: everything is routed, told and read. */
  settle(): void {
    this.happen({ type: 'route', count: this.outbox.length, full: false });
    this.tell();
    this.endLook();
    this.now += STRAGGLER + 1;
    this.lookNow();
    while (this.receive());
  }

  /** What is in the mailbox and was not handed out, or the other way round. */
  get delivered(): readonly Said[] {
    return this.said.filter(({ fate }) => fate === 'delivered');
  }

  private say({ sender, priority, wide }: Extract<Happening, { type: 'say' }>): void {
    const from = this.senders[sender];
    if (from === undefined) return;
    from.numbers += 1;
    const { order } = from;
    const id = `${sender}/${from.numbers}`;
    const content = this.said.length;
    const message = messageOf({ id, priority, content, seq: 0 });
    const local = { message, bytes: 1, cleanSince: order.cleanSince };
    const isShort = !wide && order.mayOvertakeLog && this.inbox.offer(local);
    if (!isShort) order.left();
    const said: Said = { id, sender, priority, content, isShort, order, fate: 'under-way', seq: 0 };
    this.said.push(said);
    this.outbox.push(said);
  }

  private route(count: number, full: boolean): void {
    for (const said of this.outbox.splice(0, count)) {
      said.fate = full ? 'dead' : 'delivered';
      this.seq += 1;
      said.seq = this.seq;
      this.untold.push(said);
    }
  }

  /** Senders learn what is in the log. */
  private tell(): void {
    for (const { id, isShort, order } of this.untold)
      if (isShort) this.inbox.logged(id, this.now);
      else order.arrived(this.now);
    this.untold = [];
  }

  /** An attempt is over; half of what it had on its way is logged all the same, and the next one takes its numbers. */
  private fail(sender: number): void {
    const from = this.senders[sender];
    if (from === undefined) return;
    const open = [...this.untold, ...this.outbox].filter((said) => said.order === from.order);
    for (const { id, isShort } of open) if (isShort) this.inbox.refused(id, 'given up', this.now + STRAGGLER);
    this.untold = this.untold.filter((said) => said.order !== from.order);
    const own = this.outbox.filter((said) => said.order === from.order);
    this.outbox = this.outbox.filter((said) => said.order !== from.order);
    const straggling = own.splice(0, Math.floor(own.length / 2));
    for (const said of own) said.fate = 'given-up';
    for (const said of straggling) {
      said.fate = 'delivered';
      this.seq += 1;
      said.seq = this.seq;
    }
    this.now += 1;
    const logged = this.said.filter((said) => said.sender === sender && said.seq > 0);
    this.senders[sender] = { order: new SenderOrder(this.now), numbers: logged.length };
  }

  private lookNow(): void {
    this.endLook();
    this.look = { since: this.now, upTo: this.seq };
    this.endLook();
  }

  private endLook(): void {
    if (this.look === undefined) return;
    const { since, upTo } = this.look;
    const page = this.delivered.filter(({ seq }) => seq > this.brought && seq <= upTo);
    this.brought = upTo;
    this.inbox.bring(page.toSorted((a, b) => a.seq - b.seq).map(messageOf));
    this.inbox.looked(since);
    this.look = undefined;
  }

  /** As a reader does: where a look is due it looks first, and then takes the first that it may. */
  private receive(): boolean {
    if (this.inbox.wantsLook(this.now) && !this.inbox.hasLocal) this.lookNow();
    if (this.inbox.lost !== undefined) return false;
    const index = this.inbox.waiting.findIndex((message) => this.inbox.mayTake(message));
    const message = this.inbox.waiting[index];
    if (message === undefined) return false;
    this.inbox.take(index);
    const said = this.said.find(({ content }) => content === message.content);
    if (said !== undefined) this.heard.push(said);
    return true;
  }
}

function messageOf({
  id,
  priority,
  content,
  seq,
}: Pick<Said, 'id' | 'priority' | 'content' | 'seq'>): Message {
  const rest = { runId: 'run', from: 'sender', to: 'reader', type: 'inform', createdAt: '' };
  return { ...rest, id, priority, content, seq };
}
