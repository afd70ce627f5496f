import type { ReceiveOptions } from '../../agents/message-bus';
import { inReadingOrder } from '../../core/bus/mailbox';
import { documentOf } from '../../core/bus/wanted';
import { holds } from '../../core/predicate';
import type { MailboxPage } from '../../db/messages/read';
import type { RunWatch } from '../../db/notifications';
import type { Consumption, ConsumeOutcome } from '../../db/repositories/messages';
import { AppError } from '../../protocol/failures';
import type { BlobRef, Json } from '../../protocol/json';
import type { Message } from '../../protocol/message';
import { messageType } from '../../protocol/message-type';
import type { Predicate } from '../../protocol/predicate';

export interface MailboxReaderDeps {
  readonly mailbox: (cursor: number) => Promise<MailboxPage>;
  readonly load: (ref: BlobRef) => Promise<Json>;
  readonly consume: (seqs: Consumption['seqs']) => Promise<ConsumeOutcome>;
  readonly watch: RunWatch;
}

/** How long a reader sleeps at most: a wake-up can be lost with its connection, a message cannot. */
const SLEEP_MS = 1_000;

/**
 * Reads one mailbox: the most urgent first, first in, first out among equals, and what the filter leaves out stays. What
 * was handed out counts as read only once that is committed: another attempt begins with everything that was not.
 */
export class MailboxReader implements Disposable {
  private waiting: Message[] = [];
  private cursor = 0;
  private looked = false;
  private looking: Promise<void> | undefined;
  private readonly handedOut = new Set<number>();

  constructor(private readonly deps: MailboxReaderDeps) {}

  /** Messages handed out and not committed yet. */
  get read(): readonly number[] {
    return [...this.handedOut];
  }

  /** The next message that fits; undefined where none has come in time. */
  async receive({ filter, timeoutMs, signal }: ReceiveOptions): Promise<Message | undefined> {
    const [message] = await this.next(1, { filter, timeoutMs, signal });
    return message;
  }

  /** Everything that waits, at most so many messages; waits for the first. */
  receiveMany(most: number, options: ReceiveOptions): Promise<readonly Message[]> {
    return this.next(Math.max(1, most), options);
  }

  private async next(
    most: number,
    { filter, timeoutMs, signal }: ReceiveOptions,
  ): Promise<readonly Message[]> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      // Those who wait at the same time share one look: two would bring the same page twice.
      if (this.looking !== undefined || !this.looked || this.deps.watch.hasChanged)
        await (this.looking ??= this.look().finally(() => (this.looking = undefined)));
      const messages = await this.take(most, filter);
      if (messages.length > 0) return messages;
      const left = deadline - performance.now();
      if (left <= 0) return [];
      await this.deps.watch.changed(Math.min(left, SLEEP_MS), signal);
      this.looked = false;
    }
  }

  /** Commits what was handed out as read. Throws ATTEMPT_FENCED where another attempt has taken over. */
  async commit(): Promise<void> {
    if (this.handedOut.size === 0) return;
    const seqs = this.read;
    const { outcome } = await this.deps.consume(seqs);
    if (outcome === 'fenced')
      throw new AppError('ATTEMPT_FENCED', 'A later attempt took over; what this one read is unread');
    for (const seq of seqs) this.handedOut.delete(seq);
  }

  [Symbol.dispose](): void {
    this.deps.watch[Symbol.dispose]();
  }

  private async look(): Promise<void> {
    this.looked = true;
    // Cleared before the look, so that what comes in meanwhile is looked for again.
    if (this.deps.watch.hasChanged) await this.deps.watch.changed(0);
    for (let more = true; more;) {
      const page = await this.deps.mailbox(this.cursor);
      ({ cursor: this.cursor, more } = page);
      if (page.messages.length > 0)
        this.waiting = [...this.waiting, ...page.messages].toSorted(inReadingOrder);
    }
  }

  /** Nothing is awaited but what has to be: this is paid for with every message. */
  private async take(most: number, filter: Predicate | undefined): Promise<readonly Message[]> {
    const taken: Message[] = [];
    for (let index = 0; index < this.waiting.length && taken.length < most; index += 1) {
      const found = this.waiting[index];
      if (found === undefined || isExpired(found)) continue;
      const message = isLoaded(found) ? found : await this.loaded(found);
      if (this.waiting[index] !== found) {
        // Somebody took one meanwhile: the places are others.
        index = -1;
        continue;
      }
      if (filter !== undefined && !holds(filter, documentOf(message))) {
        this.waiting[index] = message;
        continue;
      }
      this.waiting.splice(index, 1);
      index -= 1;
      this.handedOut.add(message.seq);
      const handle = messageType(message.type)?.handle;
      const left = handle === undefined ? message : await handle(message);
      if (left !== undefined) taken.push(left);
    }
    return taken;
  }

  private async loaded(message: Message): Promise<Message> {
    return message.ref === undefined ? message : { ...message, content: await this.deps.load(message.ref) };
  }
}

function isLoaded({ ref, content }: Message): boolean {
  return ref === undefined || content !== undefined;
}

/** What is expired stays where it is: the bus buries it. */
function isExpired({ expiresAt }: Message): boolean {
  return expiresAt !== undefined && Date.parse(expiresAt) <= Date.now();
}
