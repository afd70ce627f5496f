import { matchesTopic } from '../../../src/core/bus/topics';
import { holds } from '../../../src/core/predicate';
import type { Addressee, ReceiveOptions, SendOptions } from '../../../src/agents/message-bus';
import { MemoryBus } from '../../../src/agents/testing/memory-bus';
import type { Json } from '../../../src/protocol/json';
import type { Message, SubscriptionRequest } from '../../../src/protocol/message';

interface Said {
  readonly from: string;
  readonly type: string;
  readonly to?: Addressee;
  readonly topic?: string;
  readonly correlationId?: string | undefined;
  readonly content: Json;
}

/** The gate's members on one bus without servers: what they say reaches the others, who may wait for it. */
export class GateBus {
  readonly log: Message[] = [];
  private readonly mailboxes = new Map<string, Message[]>();
  private waiting: (() => void)[] = [];

  constructor(private readonly offers: Readonly<Record<string, string>>) {}

  join(member: string): MemoryBus {
    return new Member(this, member);
  }

  say({ to, ...said }: Said): string {
    const seq = this.log.length + 1;
    const id = `${said.from}/${seq}`;
    const fixed = { runId: 'run', priority: 'normal', createdAt: new Date(0).toISOString() };
    const message = { ...fixed, ...said, id, seq } as Message;
    this.log.push(message);
    if (to !== undefined) this.mailbox(this.nameOf(to)).push(message);
    for (const wake of this.waiting.splice(0)) wake();
    return id;
  }

  mailbox(member: string): Message[] {
    const found = this.mailboxes.get(member) ?? [];
    this.mailboxes.set(member, found);
    return found;
  }

  async changed(): Promise<void> {
    await new Promise<void>((resolve) => this.waiting.push(resolve));
  }

  private nameOf(to: Addressee): string {
    if (typeof to === 'string') return to;
    return ('capability' in to && this.offers[to.capability]) || 'nobody';
  }
}

class Member extends MemoryBus {
  constructor(
    private readonly bus: GateBus,
    private readonly member: string,
  ) {
    super({ sent: [], consumed: new Set() }, {});
  }

  override async send(to: Addressee, content: Json, options: SendOptions = {}): Promise<string> {
    const { type = 'inform', correlationId } = options;
    return this.bus.say({ from: this.member, to, type, correlationId, content });
  }

  override async publish(topic: string, content: Json): Promise<string> {
    return this.bus.say({ from: this.member, type: 'event', topic, content });
  }

  /** What was published before; nothing is published later in this job. */
  override async subscribe({ topic: pattern = '#' }: SubscriptionRequest): Promise<void> {
    const fits = ({ topic }: Message): boolean => topic !== undefined && matchesTopic(pattern, topic);
    this.bus.mailbox(this.member).push(...this.bus.log.filter(fits));
  }

  override async receiveMany(
    most: number,
    { filter, timeoutMs }: ReceiveOptions,
  ): Promise<readonly Message[]> {
    const mailbox = this.bus.mailbox(this.member);
    for (;;) {
      const fits = mailbox.filter(({ type }) => filter === undefined || holds(filter, { type }));
      const taken = fits.slice(0, most);
      for (const message of taken) mailbox.splice(mailbox.indexOf(message), 1);
      if (taken.length > 0 || timeoutMs === 0) return taken;
      await this.bus.changed();
    }
  }
}
