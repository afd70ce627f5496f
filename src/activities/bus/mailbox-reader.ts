import type { ReceiveOptions } from '../../agents/message-bus';
import { Inbox, type LocalMessage } from '../../core/bus/inbox';
import { documentOf } from '../../core/bus/wanted';
import { holds } from '../../core/predicate';
import type { MailboxPage } from '../../db/messages/read';
import { isExpired } from '../../db/messages/wait';
import type { RunWatch } from '../../db/notifications';
import type { Consumption, ConsumeOutcome } from '../../db/repositories/messages';
import { AppError } from '../../protocol/failures';
import type { BlobRef, Json } from '../../protocol/json';
import type { Message } from '../../protocol/message';
import { messageType } from '../../protocol/message-type';
import type { Predicate } from '../../protocol/predicate';
import { Sleepers } from './sleepers';

export interface MailboxReaderDeps {
  readonly mailbox: (cursor: number) => Promise<MailboxPage>;
  readonly load: (ref: BlobRef) => Promise<Json>;
  readonly consume: (seqs: Consumption['seqs']) => Promise<ConsumeOutcome>;
  /** How many messages the mailbox holds. */
  readonly limit: () => Promise<number>;
  readonly watch: RunWatch;
  /** How long what was read may take to be in the log. */
  readonly loggedWithinMs: number;
  readonly onDispose: (reader: MailboxReader) => void;
}

/** How often it is asked what the mailbox holds: whoever configures a run does so rarely. */
const LIMIT_EVERY_MS = 10_000;
/** What was refused may be on its way all the same, where its sender did not wait for it. */
const STRAGGLER_MS = 1_000;
const LEFT = new AppError('ATTEMPT_FENCED', 'The attempt is over; it hears nothing any more');

/**
 * Reads one mailbox: the most urgent first, first in, first out among equals, and what the filter leaves out stays. What
 * was handed out counts as read only once that is committed: another attempt begins with everything that was not.
 */
export class MailboxReader implements Disposable {
  private readonly inbox = new Inbox();
  private readonly sleepers: Sleepers;
  private cursor = 0;
  private looked = false;
  private looking: Promise<void> | undefined;
  private limitAskedAt = Number.NEGATIVE_INFINITY;
  private late: AppError | undefined;
  private over = false;

  constructor(private readonly deps: MailboxReaderDeps) {
    this.sleepers = new Sleepers(deps.watch, () => (this.looked = false));
  }

  /** Messages handed out and not committed yet, as far as they are in the log. */
  get read(): readonly number[] {
    return this.inbox.read;
  }

  /** Why nothing that came of what was read may count; undefined as long as it may. */
  get failure(): AppError | undefined {
    const { lost } = this.inbox;
    if (lost !== undefined) this.late ??= notLogged(lost.id, `and never will be (${lost.reason})`);
    return this.late;
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

  /** Commits what was handed out as read. Throws ATTEMPT_FENCED where another attempt has taken over, and MESSAGE_NOT_LOGGED. */
  async commit(): Promise<void> {
    await this.held();
    const seqs = this.read;
    if (seqs.length === 0) return;
    const { outcome } = await this.deps.consume(seqs);
    if (outcome === 'fenced')
      throw new AppError('ATTEMPT_FENCED', 'A later attempt took over; what this one read is unread');
    this.inbox.consumed(seqs);
  }

  /**
   * Resolves when everything that was handed out is in the log; undefined where it is. Whatever leaves its agent but for
   * messages waits for this. Rejects with MESSAGE_NOT_LOGGED, and then always does.
   */
  held(): Promise<void> | undefined {
    return this.inbox.isAhead || this.late !== undefined ? this.allLogged(this.inbox.mark) : undefined;
  }

  /** A message whose sender is in this process and has it in its outbox. False where it is to come by the log alone. */
  offer(local: LocalMessage): boolean {
    const isTaken = !this.over && this.inbox.offer(local);
    if (isTaken) this.sleepers.wake();
    return isTaken;
  }

  logged(id: string): void {
    this.inbox.logged(id, performance.now());
    this.sleepers.wake();
  }

  refused(id: string, error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    this.inbox.refused(id, reason, performance.now() + STRAGGLER_MS);
    this.sleepers.wake();
  }

  [Symbol.dispose](): void {
    this.over = true;
    this.deps.onDispose(this);
    this.deps.watch[Symbol.dispose]();
    this.sleepers.wake();
  }

  private async next(
    most: number,
    { filter, timeoutMs, signal }: ReceiveOptions,
  ): Promise<readonly Message[]> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      if (this.failure !== undefined) throw this.failure;
      if (this.over) throw LEFT;
      if (this.mustLook) void this.look();
      // What is here already does not wait for what the log may have besides: that is for the next one who asks.
      if (this.looking !== undefined && !this.inbox.hasLocal) await this.looking;
      const messages = await this.take(most, filter);
      if (messages.length > 0) return messages;
      if (this.looking !== undefined) {
        await this.looking;
        continue;
      }
      const left = deadline - performance.now();
      if (left <= 0) return [];
      await this.sleepers.sleep(left, signal);
    }
  }

  private async allLogged(mark: number): Promise<void> {
    const deadline = performance.now() + this.deps.loggedWithinMs;
    while (this.inbox.isAheadOf(mark)) {
      // A database that is away may be back in time.
      if (this.mustLook || this.looking !== undefined) await this.look().catch(() => undefined);
      if (this.failure !== undefined) throw this.failure;
      if (this.over) throw LEFT;
      if (!this.inbox.isAheadOf(mark)) return;
      const left = deadline - performance.now();
      if (left <= 0) this.late ??= notLogged(this.inbox.firstAhead, `${this.deps.loggedWithinMs} ms later`);
      else await this.sleepers.sleep(left);
    }
    if (this.failure !== undefined) throw this.failure;
  }

  private get mustLook(): boolean {
    return !this.looked || this.deps.watch.hasChanged || this.inbox.wantsLook(performance.now());
  }

  /** Those who wait at the same time share one look: two would bring the same page twice. */
  private look(): Promise<void> {
    if (this.looking !== undefined) return this.looking;
    const looking = this.lookThrough().finally(() => (this.looking = undefined));
    // Nobody may be waiting for it.
    looking.catch(() => (this.looked = false));
    this.looking = looking;
    return looking;
  }

  private async lookThrough(): Promise<void> {
    const since = performance.now();
    this.looked = true;
    // Cleared before the look, so that what comes in meanwhile is looked for again.
    if (this.deps.watch.hasChanged) await this.deps.watch.changed(0);
    const asking = since - this.limitAskedAt < LIMIT_EVERY_MS ? undefined : this.askForLimit(since);
    for (let more = true; more;) {
      const page = await this.deps.mailbox(this.cursor);
      ({ cursor: this.cursor, more } = page);
      this.inbox.bring(page.messages);
    }
    await asking;
    this.inbox.looked(since);
    this.sleepers.wake();
  }

  private async askForLimit(at: number): Promise<void> {
    this.limitAskedAt = at;
    // Without an answer the last one holds, and where there is none, messages come by the log.
    await this.deps.limit().then(
      (limit) => (this.inbox.limit = limit),
      () => undefined,
    );
  }

  /** Nothing is awaited but what has to be: this is paid for with every message. */
  private async take(most: number, filter: Predicate | undefined): Promise<readonly Message[]> {
    const taken: Message[] = [];
    for (let index = 0; index < this.inbox.waiting.length && taken.length < most; index += 1) {
      const found = this.inbox.waiting[index];
      if (found === undefined || isExpired(found) || !this.inbox.mayTake(found)) continue;
      const message = isLoaded(found) ? found : await this.loaded(found);
      if (this.inbox.waiting[index] !== found) {
        // Somebody took one meanwhile: the places are others.
        index = -1;
        continue;
      }
      if (filter !== undefined && !holds(filter, documentOf(message))) {
        this.inbox.waiting[index] = message;
        continue;
      }
      this.inbox.take(index);
      index -= 1;
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

function notLogged(id: string, rest: string): AppError {
  return new AppError(
    'MESSAGE_NOT_LOGGED',
    `Message ${id} was read before it was in the log, and is not there ${rest}. What came of it does not count: try again, and read what the log has`,
  );
}

function isLoaded({ ref, content }: Message): boolean {
  return ref === undefined || content !== undefined;
}
