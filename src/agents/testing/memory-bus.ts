import { inReadingOrder } from '../../core/bus/mailbox';
import { holds } from '../../core/predicate';
import { AppError } from '../../protocol/failures';
import type { Json } from '../../protocol/json';
import {
  type Message,
  MessageItem,
  SUBSCRIBE,
  SubscriptionRequest,
  UNSUBSCRIBE,
} from '../../protocol/message';
import { typeProblem } from '../../protocol/message-type';
import type { Addressee, MessageBus, ReceiveOptions, RequestOptions, SendOptions } from '../message-bus';

/** A message that waits for the agent; `from` and `content` are enough. */
export type WaitingMessage = { readonly [K in keyof Message]?: Message[K] | undefined } & {
  readonly from: string;
  readonly content: Json;
};

/** What a member replies: that, or what it makes of what it is asked. */
export type ScriptedAnswer = Json | ((content: Json) => Json);

/** The other members, as a test plays them. */
export interface ScriptedBus {
  /** What waits in the agent's mailbox, oldest first. */
  readonly mailbox?: readonly WaitingMessage[];
  /** Who replies to requests: by a member's name, or by `capability:NAME`. Nobody else does, so that MESSAGE_TIMEOUT is thrown at once. */
  readonly answers?: Readonly<Record<string, ScriptedAnswer>>;
}

/** A message as the agent sent it: one of to, topic, broadcast, where, capability, and what it holds. */
export type SentMessage = Omit<MessageItem, 'ref'>;

/** What of the bus outlives an attempt: the log, and what was read for good. */
export interface BusRecord {
  readonly sent: SentMessage[];
  readonly consumed: Set<string>;
}

const MEMBER = 'agent';

/** The bus of one attempt in memory: nothing waits, nothing is lost, and a repeated beginning says nothing twice. */
export class MemoryBus implements MessageBus {
  private readonly waiting: Message[];
  private readonly handedOut: string[] = [];
  private said = 0;

  constructor(
    private readonly record: BusRecord,
    private readonly script: ScriptedBus,
  ) {
    const messages = (script.mailbox ?? []).map(whole);
    this.waiting = messages.filter(({ id }) => !record.consumed.has(id)).toSorted(inReadingOrder);
  }

  async send(to: Addressee, content: Json, options: SendOptions = {}): Promise<string> {
    return this.deliver(addressed(to), content, { ...options, type: options.type ?? 'inform' });
  }

  async broadcast(content: Json, options: SendOptions = {}): Promise<string> {
    return this.deliver({ broadcast: true }, content, { ...options, type: options.type ?? 'inform' });
  }

  async publish(topic: string, content: Json, options: SendOptions = {}): Promise<string> {
    return this.deliver({ topic }, content, { ...options, type: options.type ?? 'event' });
  }

  async handOff(to: Addressee, content: Json, options: SendOptions = {}): Promise<string> {
    return this.deliver(addressed(to), content, { ...options, type: options.type ?? 'handoff' });
  }

  async request(to: Addressee, content: Json, options: RequestOptions): Promise<Message> {
    const target = addressed(to);
    const { type = 'request', priority, replyTo = MEMBER, ttlMs, timeoutMs } = options;
    const more = { type, priority, replyTo, ttlMs, correlationId: options.correlationId };
    const id = this.deliver(target, content, more);
    const correlationId = options.correlationId ?? id;
    const name = target.to ?? `capability:${target.capability ?? ''}`;
    const answers = this.script.answers ?? {};
    const answer = Object.hasOwn(answers, name) ? answers[name] : undefined;
    if (answer === undefined)
      throw new AppError('MESSAGE_TIMEOUT', `No reply to ${correlationId} within ${timeoutMs} ms`);
    const given = typeof answer === 'function' ? answer(content) : answer;
    const reply = { from: target.to ?? name, type: 'response', correlationId, content: given };
    return whole(reply, this.record.sent.length);
  }

  async respond(request: Message, content: Json, options: SendOptions = {}): Promise<string> {
    const correlationId = request.correlationId ?? request.id;
    const to = request.replyTo ?? request.from;
    return this.send(to, content, { type: 'response', correlationId, ...options });
  }

  async receive(options: ReceiveOptions): Promise<Message | undefined> {
    return (await this.receiveMany(1, options))[0];
  }

  async receiveMany(most: number, { filter }: ReceiveOptions): Promise<readonly Message[]> {
    const fits = (message: Message): boolean => filter === undefined || holds(filter, asDocument(message));
    const taken = this.waiting.filter(fits).slice(0, most);
    for (const message of taken) {
      this.waiting.splice(this.waiting.indexOf(message), 1);
      this.handedOut.push(message.id);
    }
    return taken;
  }

  /** As when a turn's result is stored. */
  async commit(): Promise<void> {
    for (const id of this.handedOut.splice(0)) this.record.consumed.add(id);
  }

  async subscribe(subscription: SubscriptionRequest): Promise<void> {
    this.control(SUBSCRIBE, subscription);
  }

  async unsubscribe(subscription: SubscriptionRequest): Promise<void> {
    this.control(UNSUBSCRIBE, subscription);
  }

  /** What the agent said itself. */
  async history(): Promise<readonly Message[]> {
    return this.record.sent.map((item, index) =>
      whole({ ...item, from: MEMBER, content: item.content ?? null }, index),
    );
  }

  private deliver(target: Target, content: Json, options: SendOptions & { readonly type: string }): string {
    return this.say({ ...target, ...options, content });
  }

  private control(type: string, subscription: SubscriptionRequest): void {
    if (!SubscriptionRequest.safeParse(subscription).success)
      throw new AppError('INPUT_INVALID', 'A subscription is not valid');
    this.say({ type, content: { ...subscription } as Json });
  }

  private say(given: SentMessage): string {
    const item = asStored(given);
    const problem = MessageItem.safeParse(item).error?.issues[0]?.message;
    const wrong = problem ?? typeProblem(item.type, item.content)?.detail;
    if (wrong !== undefined) throw new AppError('INPUT_INVALID', `A message is not valid: ${wrong}`);
    const { sent } = this.record;
    // From the first difference on, everything is a new message.
    if (this.said >= sent.length || JSON.stringify(sent[this.said]) !== JSON.stringify(item)) {
      sent.push(item);
      this.said = sent.length;
    } else this.said += 1;
    return idOf(this.said);
  }
}

function idOf(number: number): string {
  return `agent-run/${number}`;
}

type Target = Pick<SentMessage, 'to' | 'topic' | 'broadcast' | 'capability' | 'where'>;

function addressed(to: Addressee): Target {
  return typeof to === 'string' ? { to } : to;
}

/** A copy without what is undefined: what an agent changes afterwards must not show. */
function asStored(item: SentMessage): SentMessage {
  return JSON.parse(JSON.stringify(item)) as SentMessage;
}

function whole(given: WaitingMessage, index: number): Message {
  const seq = index + 1;
  const defaults = {
    runId: 'run',
    seq,
    type: 'inform',
    priority: 'normal',
    createdAt: new Date(0).toISOString(),
  };
  return { id: `${given.from}/${seq}`, ...defaults, ...given } as Message;
}

function asDocument({ from, type, topic, priority, correlationId, content = null }: Message): Json {
  return JSON.parse(JSON.stringify({ from, type, topic, priority, correlationId, content })) as Json;
}
