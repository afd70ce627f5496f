import type { Message } from '../../protocol/message';
import { canonical } from '../context/merges';
import { inReadingOrder } from './mailbox';

/** A message that reached its reader inside one process, before it was in the log: its `seq` is 0. */
export interface LocalMessage {
  readonly message: Message;
  readonly bytes: number;
  /** By then the log had everything that its sender had said to the log alone. */
  readonly cleanSince: number;
}

/** How much of one reader may be missing in the log: what comes beyond it goes by the log alone. */
export const LOCAL_MOST = { messages: 500, bytes: 256 * 1024 } as const;

/** A local message until the mailbox has brought it. */
interface Pending extends LocalMessage {
  /** Which one it was of those that were handed out; 0 while it waits. */
  takenAs: number;
  /** A look that begins then or later has brought it, or nothing ever will. */
  due: number;
  reason: string;
}

/** A message that was handed out and is not in the log: whatever came of it must not count. */
export interface Lost {
  readonly id: string;
  readonly reason: string;
}

const LOGGED = 'it is in the log and not in the mailbox: a dead letter says why';
const OTHER = 'another attempt of its sender said something else under its number';

/**
 * What one reader has before it: what its mailbox brought, and after that, among equals, what came the short way. Each
 * message is handed out once, whichever way it comes first. Times are the caller's, of one clock.
 */
export class Inbox {
  /** In reading order. */
  waiting: Message[] = [];
  /** How much the mailbox holds. Nothing comes the short way before it is known: the bus would refuse what was read. */
  limit = 0;
  /** The first message that was handed out and will never be in the log. */
  lost: Lost | undefined;
  private readonly pending = new Map<string, Pending>();
  private readonly handedOut = new Set<number>();
  private pendingBytes = 0;
  private takings = 0;
  private unlogged = 0;
  private lookedSince = Number.NEGATIVE_INFINITY;

  /** Numbers of what was handed out and is in the log. */
  get read(): readonly number[] {
    return [...this.handedOut];
  }

  /** Whether anything was handed out that is not in the log yet. */
  get isAhead(): boolean {
    return this.unlogged > 0 || this.lost !== undefined;
  }

  /** The first of what was handed out and is not in the log yet. */
  get firstAhead(): string {
    for (const [id, { takenAs }] of this.pending) if (takenAs > 0) return id;
    return '';
  }

  /** Up to here it has handed out; for `isAheadOf`. */
  get mark(): number {
    return this.takings;
  }

  /** Whether something that was handed out up to a mark is not in the log yet. */
  isAheadOf(mark: number): boolean {
    return this.unlogged > 0 && this.some(({ takenAs }) => takenAs > 0 && takenAs <= mark);
  }

  /** Whether a local message may be taken now. */
  get hasLocal(): boolean {
    return (
      this.pending.size > this.unlogged && this.waiting.some((one) => one.seq === 0 && this.mayTake(one))
    );
  }

  /** Whether only a look at the mailbox tells how to go on with a local message. */
  wantsLook(now: number): boolean {
    return this.some(({ takenAs, cleanSince, due }) => {
      if (due > this.lookedSince && due <= now) return true;
      return takenAs === 0 && cleanSince > this.lookedSince;
    });
  }

  /** False where a message must go by the log alone. */
  offer(local: LocalMessage): boolean {
    const { message, bytes } = local;
    const held = this.handedOut.size + this.waiting.length + this.unlogged;
    if (this.lost !== undefined || held * 2 >= this.limit) return false;
    // Under the number of one that was refused: what was read must first turn out to be lost, or said again.
    if (this.pending.has(message.id)) return false;
    if (this.pending.size >= LOCAL_MOST.messages || this.pendingBytes + bytes > LOCAL_MOST.bytes)
      return false;
    this.pending.set(message.id, { ...local, takenAs: 0, due: Number.POSITIVE_INFINITY, reason: '' });
    this.pendingBytes += bytes;
    const at = this.waiting.findLastIndex((one) => inReadingOrder(one, message) <= 0) + 1;
    this.waiting.splice(at, 0, message);
    return true;
  }

  /** What its sender said before must be here first: only a look that began late enough has brought it. */
  mayTake({ id, seq }: Message): boolean {
    return seq > 0 || (this.pending.get(id)?.cleanSince ?? Number.POSITIVE_INFINITY) <= this.lookedSince;
  }

  /** Hands out what waits at a place. */
  take(index: number): void {
    const [message] = this.waiting.splice(index, 1);
    if (message === undefined) return;
    const local = this.pending.get(message.id);
    if (local === undefined) {
      this.handedOut.add(message.seq);
      return;
    }
    this.takings += 1;
    local.takenAs = this.takings;
    this.unlogged += 1;
  }

  /** What a look brings, page by page: it takes the place of what came the short way. */
  bring(messages: readonly Message[]): void {
    if (messages.length === 0) return;
    const fresh = messages.filter((message) => !this.isTaken(message));
    this.sweep();
    this.waiting = [...this.waiting, ...fresh].toSorted(inReadingOrder);
  }

  /** A look is complete that began at a time: what it should have brought and has not, nothing will. */
  looked(beganAt: number): void {
    this.lookedSince = Math.max(this.lookedSince, beganAt);
    for (const [id, local] of this.pending) {
      if (local.due > beganAt) continue;
      this.forget(id, local);
      if (local.takenAs > 0) this.lost ??= { id, reason: local.reason };
    }
    this.sweep();
  }

  /** A local message was logged by a time: looks that begin later bring it. */
  logged(id: string, at: number): void {
    const local = this.pending.get(id);
    if (local !== undefined) Object.assign(local, { due: at, reason: LOGGED });
  }

  /** A local message will not be in the log, unless a look that begins then still brings it. */
  refused(id: string, reason: string, at: number): void {
    const local = this.pending.get(id);
    if (local === undefined) return;
    // Where it was logged all the same, a look brings it like any other.
    if (local.takenAs > 0) return void Object.assign(local, { due: at, reason });
    this.forget(id, local);
    this.sweep();
  }

  consumed(seqs: readonly number[]): void {
    for (const seq of seqs) this.handedOut.delete(seq);
  }

  /** Whether a message that a look brought was handed out before. */
  private isTaken(message: Message): boolean {
    const { id } = message;
    const local = this.pending.get(id);
    if (local === undefined) return false;
    this.forget(id, local);
    if (local.takenAs === 0) return false;
    // Its sender may have failed before it was logged, and the next attempt gives the same numbers again.
    if (isSame(local.message, message)) this.handedOut.add(message.seq);
    else this.lost ??= { id, reason: OTHER };
    return this.handedOut.has(message.seq);
  }

  private forget(id: string, local: Pending): void {
    this.pending.delete(id);
    this.pendingBytes -= local.bytes;
    if (local.takenAs > 0) this.unlogged -= 1;
  }

  /** Local messages that are forgotten do not wait any more. */
  private sweep(): void {
    this.waiting = this.waiting.filter(({ id, seq }) => seq > 0 || this.pending.has(id));
  }

  private some(is: (local: Pending) => boolean): boolean {
    for (const local of this.pending.values()) if (is(local)) return true;
    return false;
  }
}

function isSame(one: Message, other: Message): boolean {
  return said(one) === said(other);
}

function said({ to, type, priority, correlationId, replyTo, content }: Message): string {
  return canonical([to ?? null, type, priority, correlationId ?? null, replyTo ?? null, content ?? null]);
}
