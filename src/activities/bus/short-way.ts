import type { Json } from '../../protocol/json';
import type { Message, MessageItem } from '../../protocol/message';
import { messageType } from '../../protocol/message-type';
import { SenderOrder } from '../../core/bus/sender-order';
import type { LocalReaders } from './local-readers';

/** Who speaks, and in which run. */
interface Speaker {
  readonly runId: string;
  readonly from: string;
}

/** A message on its way into the log. */
interface Leaving {
  readonly id: string;
  /** Its JSON. */
  readonly text: string;
  /** Settles with what becomes of it. */
  readonly logging: Promise<string>;
}

/**
 * One sender's short way to readers in its own process: what it says to one member by name is readable at once, before it
 * is in the log, and never before anything that its sender said earlier.
 */
export class ShortWay {
  private readonly order = new SenderOrder(performance.now());

  constructor(
    private readonly readers: LocalReaders,
    private readonly speaker: Speaker,
  ) {}

  /** Called with every message, in their order, once it is in the outbox. */
  pass(item: MessageItem, leaving: Leaving): void {
    const { order } = this;
    if (order.mayOvertakeLog && this.offer(item, leaving)) return;
    order.left();
    leaving.logging.then(
      () => order.arrived(performance.now()),
      () => order.end(),
    );
  }

  private offer(item: MessageItem, { id, text, logging }: Leaving): boolean {
    const { runId } = this.speaker;
    const reader = isShort(item) ? this.readers.only(runId, item.to ?? '') : undefined;
    if (reader === undefined) return false;
    const message = this.messageOf(id, item, text);
    if (!reader.offer({ message, bytes: text.length, cleanSince: this.order.cleanSince })) return false;
    logging.then(
      () => reader.logged(id),
      (error: unknown) => {
        this.order.end();
        reader.refused(id, error);
      },
    );
    return true;
  }

  /** As the log will give it, with a body of its own: its sender may go on writing into what it sent. */
  private messageOf(
    id: string,
    { to = '', type, priority = 'normal', ...rest }: MessageItem,
    text: string,
  ): Message {
    const { correlationId, replyTo } = rest;
    const { content = null } = JSON.parse(text) as { readonly content?: Json };
    return {
      id,
      runId: this.speaker.runId,
      seq: 0,
      from: this.speaker.from,
      to,
      type,
      priority,
      ...(correlationId === undefined ? {} : { correlationId }),
      ...(replyTo === undefined ? {} : { replyTo }),
      content,
      createdAt: new Date().toISOString(),
    };
  }
}

/** What the log does nothing to but keep and deliver. A message that expires may have done so before it is delivered. */
function isShort({ to, type, ref, ttlMs }: MessageItem): boolean {
  if (to === undefined || to.startsWith('client:')) return false;
  return ref === undefined && ttlMs === undefined && messageType(type)?.handle === undefined;
}
