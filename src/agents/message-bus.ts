import type { Json } from '../protocol/json';
import type { HistoryOptions, Message, MessagePriority, SubscriptionRequest } from '../protocol/message';
import type { Predicate } from '../protocol/predicate';
import type { LongWaitOptions } from './long-wait';

/** To a member by name, to whoever offers a capability and has least to do, or to all for whom a predicate holds. */
export type Addressee = string | { readonly capability: string } | { readonly where: Predicate };

/** What is said about a message beside to whom and what. */
export interface SendOptions {
  readonly type?: string | undefined;
  readonly priority?: MessagePriority | undefined;
  readonly correlationId?: string | undefined;
  readonly replyTo?: string | undefined;
  /** Not read for so long, it is dead. */
  readonly ttlMs?: number | undefined;
}

export interface ReceiveOptions extends LongWaitOptions {
  /** Over `{from, type, topic, priority, correlationId, content}`. */
  readonly filter?: Predicate | undefined;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

export interface RequestOptions extends SendOptions, LongWaitOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * What an agent says to the other members of its run, and hears of them. The sender is the attempt at work, whatever it
 * passes. A send resolves when the message is in the log, with the message's id; an attempt that repeats what the one
 * before it said says nothing twice. Throws INPUT_INVALID, ATTEMPT_FENCED, and BUS_CLOSED after the run's end.
 */
export interface MessageBus {
  /** Stays unresolved while a mailbox that blocks its senders is full. */
  send(to: Addressee, content: Json, options?: SendOptions): Promise<string>;
  /** To every other member. */
  broadcast(content: Json, options?: SendOptions): Promise<string>;
  /** To whoever subscribed to the topic, such as `finding.licence.high`. */
  publish(topic: string, content: Json, options?: SendOptions): Promise<string>;
  /** Passes a piece of work on; a message of type `handoff`. */
  handOff(to: Addressee, content: Json, options?: SendOptions): Promise<string>;
  /** Asks, and waits for the reply, which may come before the request is in the log. Throws MESSAGE_TIMEOUT. */
  request(to: Addressee, content: Json, options: RequestOptions): Promise<Message>;
  /** Answers a request: to whom it says, under its correlation id. */
  respond(request: Message, content: Json, options?: SendOptions): Promise<string>;
  /**
   * The next message that fits, the most urgent first; undefined where none came in time. It counts as read with the
   * turn's result: another attempt is given it again. One of `seq` 0 is not in the log yet: what follows from it leaves the
   * agent only once it is, and where it never will be, the attempt fails with MESSAGE_NOT_LOGGED.
   */
  receive(options: ReceiveOptions): Promise<Message | undefined>;
  /** Everything that waits, at most so many; waits for the first. */
  receiveMany(most: number, options: ReceiveOptions): Promise<readonly Message[]>;
  /**
   * What was received so far counts as read now, whatever becomes of this attempt; full mailboxes have room again. Waits
   * until all of it is in the log.
   */
  commit(): Promise<void>;
  /** Hears what is published from here on, or `since: 'start'` what was published before too. Holds for the whole run. */
  subscribe(subscription: SubscriptionRequest): Promise<void>;
  unsubscribe(subscription: SubscriptionRequest): Promise<void>;
  /** The run's log, in its order, whoever the messages were for. */
  history(page?: HistoryOptions): Promise<readonly Message[]>;
}
