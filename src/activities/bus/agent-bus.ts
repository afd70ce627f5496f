import type {
  Addressee,
  MessageBus,
  ReceiveOptions,
  RequestOptions,
  SendOptions,
} from '../../agents/message-bus';
import { canonical } from '../../core/context/merges';
import { isDeeperThan } from '../../core/text';
import type { Repositories } from '../../db/repositories';
import { AppError } from '../../protocol/failures';
import { firstIssue, type Issue } from '../../protocol/first-issue';
import { Json } from '../../protocol/json';
import { LIMITS } from '../../protocol/limits';
import {
  type HistoryOptions,
  type Message,
  MessageItem,
  SUBSCRIBE,
  SubscriptionRequest,
  UNSUBSCRIBE,
} from '../../protocol/message';
import { typeProblem } from '../../protocol/message-type';
import type { Predicate } from '../../protocol/predicate';
import type { Attendance, Sender } from './buses';
import { itemProblem } from './check-item';
import type { MailboxReader } from './mailbox-reader';
import { either, MailboxWaits } from './mailbox-waits';

interface AgentBusDeps extends Attendance {
  readonly repositories: Repositories;
  readonly openSender: () => Promise<Sender>;
  readonly openReader: () => MailboxReader;
  /** Gives up what is on its way; called once. */
  readonly leave: (reason: Error) => void;
}

const OVER = new AppError('ATTEMPT_FENCED', 'The attempt is over; it says and hears nothing any more');

/**
 * What one attempt of a member says and hears. Sending is done when the message is in the log; what was handed out by
 * `receive` is read once it is committed, with the turn or before. Nothing is opened before it is used: an attempt that
 * only reads fences nobody, and one that does neither costs nothing.
 */
export class AgentBus implements MessageBus, Disposable {
  private readonly waits: MailboxWaits;
  private last: Promise<unknown> = Promise.resolve();
  /** Sends whose turn has not come yet. */
  private waiting = 0;
  private sender: Promise<Sender> | undefined;
  private open: Sender | undefined;
  private mailbox: MailboxReader | undefined;
  private failure: Error | undefined;
  private over = false;

  constructor(private readonly deps: AgentBusDeps) {
    this.waits = new MailboxWaits(deps, () => this.reader);
  }

  send(to: Addressee, content: Json, options: SendOptions = {}): Promise<string> {
    return this.deliver(addressed(to), content, { type: 'inform', ...options });
  }

  broadcast(content: Json, options: SendOptions = {}): Promise<string> {
    return this.deliver({ broadcast: true }, content, { type: 'inform', ...options });
  }

  publish(topic: string, content: Json, options: SendOptions = {}): Promise<string> {
    return this.deliver({ topic }, content, { type: 'event', ...options });
  }

  handOff(to: Addressee, content: Json, options: SendOptions = {}): Promise<string> {
    return this.deliver(addressed(to), content, { type: 'handoff', ...options });
  }

  async request(to: Addressee, content: Json, options: RequestOptions): Promise<Message> {
    const { timeoutMs, signal, checkpoint, staysMs, wokenBy, ...rest } = options;
    const item = checked(addressed(to), content, { type: 'request', replyTo: this.deps.member, ...rest });
    const key = canonical({ request: item } as Json);
    const wait = this.waits.begin(key, options);
    // An earlier turn may have asked, and lain down until somebody answers.
    const { correlationId, signal: unsent } =
      wait.correlationId === undefined
        ? await this.asked(this.small(item, content))
        : { correlationId: wait.correlationId, signal: undefined };
    const filter: Predicate = {
      op: 'and',
      of: [
        { op: 'eq', pointer: '/correlationId', value: correlationId },
        { op: 'eq', pointer: '/type', value: 'response' },
      ],
    };
    const waiting = { filter, timeoutMs, signal: either(signal, unsent), checkpoint, staysMs };
    const from = item.to === undefined ? undefined : [item.to];
    const [reply] = await this.waits.wait(1, waiting, {
      wait: { key, correlationId },
      untilMs: wait.untilMs,
      from,
      wokenBy: wokenBy ?? (item.to?.startsWith('client:') ? 'outside' : 'members'),
    });
    if (reply !== undefined) return reply;
    throw new AppError('MESSAGE_TIMEOUT', `No reply to ${correlationId} within ${timeoutMs} ms`);
  }

  respond(request: Message, content: Json, options: SendOptions = {}): Promise<string> {
    const correlationId = request.correlationId ?? request.id;
    return this.send(request.replyTo ?? request.from, content, {
      type: 'response',
      correlationId,
      ...options,
    });
  }

  async receive(options: ReceiveOptions): Promise<Message | undefined> {
    const [message] = await this.receiveMany(1, options);
    return message;
  }

  async receiveMany(most: number, options: ReceiveOptions): Promise<readonly Message[]> {
    return this.waits.receive(most, options);
  }

  async subscribe(subscription: SubscriptionRequest): Promise<void> {
    await this.control(SUBSCRIBE, subscription);
  }

  async unsubscribe(subscription: SubscriptionRequest): Promise<void> {
    await this.control(UNSUBSCRIBE, subscription);
  }

  async history(page: HistoryOptions = {}): Promise<readonly Message[]> {
    this.assertOpen();
    const { repositories, tenantId, runId } = this.deps;
    return repositories.messages.history(tenantId, runId, { after: 0, limit: 100, ...page });
  }

  /** Messages handed out that are to be committed as read when the turn is closed. */
  get read(): readonly number[] {
    return this.mailbox?.read ?? [];
  }

  /** Resolves when everything that was received is in the log; undefined where it is. Rejects with MESSAGE_NOT_LOGGED. */
  held(): Promise<void> | undefined {
    return this.mailbox?.held();
  }

  async commit(): Promise<void> {
    this.assertOpen();
    await this.mailbox?.commit();
  }

  /**
   * Resolves when everything sent and received is in the log; a turn is closed only then, since nothing of it is taken
   * after. Rejects with what became of a message that is not, whether or not anybody waited for it.
   */
  async drained(): Promise<void> {
    await this.last;
    await (await this.sender)?.drained();
    if (this.failure !== undefined) throw this.failure;
    await this.held();
  }

  /** Gives up what is not in the log yet. */
  [Symbol.dispose](): void {
    if (!this.over) this.deps.leave(OVER);
    this.over = true;
    this.sender?.then(
      (sender) => sender[Symbol.dispose](),
      () => undefined,
    );
    this.mailbox?.[Symbol.dispose]();
  }

  private get reader(): MailboxReader {
    this.assertOpen();
    this.mailbox ??= this.deps.openReader();
    return this.mailbox;
  }

  /** Resolves once the request is under way: a reply may come before it is in the log. The signal tells that it never will be. */
  private async asked(
    ready: MessageItem | Promise<MessageItem>,
  ): Promise<{ readonly correlationId: string; readonly signal: AbortSignal }> {
    const failed = new AbortController();
    let underWay: (correlationId: string) => void = () => undefined;
    const begun = new Promise<string>((resolve) => (underWay = resolve));
    const sent = this.inOrder(ready, (sender, item) => {
      // The same in every attempt that asks the same, so that a reply to the attempt before is a reply to this one.
      const correlationId = item.correlationId ?? sender.nextId;
      underWay(correlationId);
      return sender.send({ ...item, correlationId });
    });
    sent.catch((error: unknown) => failed.abort(error));
    return { correlationId: await Promise.race([begun, sent.then(() => begun)]), signal: failed.signal };
  }

  private async control(type: string, subscription: SubscriptionRequest): Promise<string> {
    const parsed = SubscriptionRequest.safeParse(subscription);
    if (!parsed.success) throw invalid('subscription', parsed.error.issues);
    return this.inOrder({ type, content: { ...subscription } as Json }, (sender, item) => sender.send(item));
  }

  private async deliver(target: Partial<MessageItem>, content: Json, options: SendOptions): Promise<string> {
    const item = checked(target, content, options);
    return this.inOrder(this.small(item, content), (sender, ready) => sender.send(ready));
  }

  /** Sends in the order of the calls, however long each takes to get ready. */
  private async inOrder(
    ready: MessageItem | Promise<MessageItem>,
    send: (sender: Sender, item: MessageItem) => Promise<string>,
  ): Promise<string> {
    try {
      // Nobody to wait for, which is what nearly every message meets.
      if (this.open !== undefined && this.waiting === 0 && !(ready instanceof Promise)) {
        this.assertOpen();
        return await send(this.open, ready);
      }
      return await (
        await this.inTurn(ready, send)
      ).sent;
    } catch (error) {
      // Whoever was told that a message is not one can say another.
      if (!(AppError.is(error) && error.code.startsWith('INPUT_'))) this.failure ??= error as Error;
      throw error;
    }
  }

  /** In an object, since it is the sending that has its turn, and not its end. */
  private inTurn(
    ready: MessageItem | Promise<MessageItem>,
    send: (sender: Sender, item: MessageItem) => Promise<string>,
  ): Promise<{ readonly sent: Promise<string> }> {
    // Its turn may come long after it has failed.
    if (ready instanceof Promise) ready.catch(() => undefined);
    this.waiting += 1;
    const turn = this.last.then(async () => {
      try {
        return { sent: send(await this.opened(), await ready) };
      } finally {
        this.waiting -= 1;
      }
    });
    this.last = turn.catch(() => undefined);
    return turn;
  }

  private async opened(): Promise<Sender> {
    this.assertOpen();
    this.sender ??= this.deps.openSender().catch((error: unknown) => {
      this.sender = undefined;
      throw error;
    });
    this.open = await this.sender;
    return this.open;
  }

  private assertOpen(): void {
    if (this.over) throw OVER;
    if (this.mailbox?.failure !== undefined) throw this.mailbox.failure;
  }

  /** Large bodies go ahead as blobs: a batch carries references to them. */
  private small(item: MessageItem, content: Json): MessageItem | Promise<MessageItem> {
    const fits =
      !isDeeperThan(content, LIMITS.valueDepth) &&
      Buffer.byteLength(JSON.stringify(content)) <= LIMITS.messageInlineBytes;
    return fits ? item : this.stored(item, content);
  }

  private async stored(item: MessageItem, content: Json): Promise<MessageItem> {
    const { repositories, tenantId } = this.deps;
    const value = await repositories.values.store(tenantId, content, LIMITS.messageInlineBytes);
    const { content: _, ...rest } = item;
    return 'ref' in value ? { ...rest, ref: value.ref } : item;
  }
}

/** A message as it may be sent. Throws INPUT_INVALID. */
function checked(target: Partial<MessageItem>, content: Json, options: SendOptions): MessageItem {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const item = { ...target, ...given, content } as MessageItem;
  // The schema itself only where it has something to say, or the check by hand knows no better.
  if (itemProblem(item, 1) !== undefined || !Json.safeParse(content).success) {
    const parsed = MessageItem.safeParse(item);
    if (!parsed.success) throw invalid('message', parsed.error.issues);
  }
  const problem = typeProblem(item.type, content);
  if (problem !== undefined) throw new AppError('INPUT_INVALID', problem.detail);
  return item;
}

function addressed(to: Addressee): Partial<MessageItem> {
  return typeof to === 'string' ? { to } : to;
}

function invalid(what: string, issues: readonly Issue[]): AppError {
  return new AppError('INPUT_INVALID', `A ${what} is not valid${firstIssue(issues)}`);
}
