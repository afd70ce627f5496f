import type { Rests } from '../../agents/long-wait';
import type { RunNotifications, RunWatch } from '../../db/notifications';
import type { Repositories } from '../../db/repositories';
import { MESSAGES_CHANNEL } from '../../db/wake';
import { AppError } from '../../protocol/failures';
import { LIMITS } from '../../protocol/limits';
import { rulesOf } from '../../core/bus/mailbox';
import type { BusKey } from '../route-messages';
import { AgentBus } from './agent-bus';
import { LocalReaders } from './local-readers';
import { MailboxReader } from './mailbox-reader';
import { Outbox, type OutboxLane } from './outbox';
import { Publisher } from './publisher';
import { ShortWay } from './short-way';

/** The way to buses' workflows. */
export interface BusSignals {
  /** Starts the bus where there is none yet. Rejects with BUS_CLOSED after the run's end, and TEMPORAL_UNAVAILABLE. */
  deliver(key: BusKey, batch: Uint8Array): Promise<void>;
  /** Waits until everything that was delivered is routed; nothing is taken any more. */
  close(key: BusKey): Promise<void>;
}

export interface BusesDeps {
  readonly repositories: Repositories;
  readonly notifications: RunNotifications;
  readonly signals: BusSignals;
  /** How long what was read before it was in the log may take to be there; 30 s unless said otherwise. */
  readonly loggedWithinMs?: number | undefined;
}

const LOGGED_WITHIN_MS = 30_000;

/** Who joins a run's conversation: one attempt of one execution of a member. */
export interface Attendance extends BusKey {
  readonly member: string;
  /** With the attempt's token it is the publisher's proof. */
  readonly agentRunId: string;
  /** From 1: an execution that slept has one turn more. */
  readonly turn: number;
  readonly attempt: number;
  readonly tokenHash: string;
  /** Aborted when the attempt is to stop. */
  readonly signal?: AbortSignal | undefined;
  /** Absent where nobody's turn could end in a wait. */
  readonly rests?: Rests | undefined;
}

/** Who sends from outside of a run. */
export interface Outsider extends BusKey {
  /** `client:NAME/INSTANCE`; the instance is used once, or what it sends counts as repeated. */
  readonly publisher: string;
}

/** A publisher at its run's outbox. Dispose it once what it sent is in the log: the rest is given up. */
export type Sender = Publisher & Disposable;

/** Everything of this process that talks: one outbox for each run, shared by whoever sends in it. */
export class Buses {
  private readonly shared = new Map<string, SharedOutbox>();
  private readonly readers = new LocalReaders();
  /** Attempts at work in this process, by run. */
  private readonly present = new Map<string, number>();

  constructor(private readonly deps: BusesDeps) {}

  /** Joins for one attempt, which opens nothing yet. Dispose it, after `drained` where its messages are to stay. */
  join(attendance: Attendance): AgentBus {
    const { tenantId, runId, member, agentRunId, turn, attempt, tokenHash } = attendance;
    const key = { tenantId, runId };
    const lane = { publisher: agentRunId, turn, attempt, tokenHash };
    const { messages } = this.deps.repositories;
    this.count(runId, 1);
    return new AgentBus({
      ...this.deps,
      ...attendance,
      // The windows of all members together are bounded.
      openSender: async () =>
        this.sender(key, lane, { member, share: 1 / Math.max(1, await messages.members(tenantId, runId)) }),
      openReader: () => this.reader({ ...key, member }, { agentRunId, attempt, tokenHash }),
      leave: (reason) => {
        this.count(runId, -1);
        this.shared.get(runId)?.outbox.end(lane, reason);
      },
    });
  }

  /** A sender that is no member. */
  outsider({ publisher, ...key }: Outsider): Promise<Sender> {
    return this.sender(key, { publisher, turn: 1, attempt: 1, tokenHash: undefined }, { share: 1 });
  }

  /** A mailbox's reader; with the attempt's proof, reading counts only while the attempt holds its agent run. */
  reader(
    key: BusKey & { readonly member: string },
    attempt?: { readonly agentRunId: string; readonly attempt: number; readonly tokenHash: string },
  ): MailboxReader {
    const { messages, values } = this.deps.repositories;
    const { tenantId, runId, member } = key;
    const reader = new MailboxReader({
      mailbox: (cursor) => messages.mailbox(key, cursor),
      load: (ref) => values.load(tenantId, { ref }),
      consume: (seqs) => messages.consume(tenantId, { runId, member, seqs, ...(attempt && { attempt }) }),
      limit: async () => rulesOf(await messages.settings(tenantId, runId), member).limit,
      watch: this.deps.notifications.watch(runId, MESSAGES_CHANNEL),
      loggedWithinMs: this.deps.loggedWithinMs ?? LOGGED_WITHIN_MS,
      onDispose: () => this.readers.delete(runId, member, reader),
    });
    this.readers.add(runId, member, reader);
    return reader;
  }

  /** Closes a run's bus, where there is one. */
  close(key: BusKey): Promise<void> {
    return this.deps.signals.close(key);
  }

  private async sender(key: BusKey, lane: OutboxLane, { member, share }: Place): Promise<Sender> {
    const shared = this.take(key, share);
    const { outbox } = shared;
    if (member !== undefined) shared.part = share;
    try {
      const publisher = await this.publisher(key, lane, { outbox, member });
      const dispose = (): void => {
        publisher.end(new AppError('BUS_CLOSED', 'The sender left before its message was in the log'));
        this.leave(key, share);
      };
      return Object.assign(publisher, { [Symbol.dispose]: dispose });
    } catch (error) {
      outbox.end(lane, error as Error);
      this.leave(key, share);
      throw error;
    }
  }

  private publisher(
    { tenantId, runId }: BusKey,
    lane: OutboxLane,
    { outbox, member }: { readonly outbox: Outbox; readonly member: string | undefined },
  ): Promise<Publisher> {
    const { messages } = this.deps.repositories;
    const shortWay =
      member === undefined ? undefined : () => new ShortWay(this.readers, { runId, from: member });
    return Publisher.open(
      {
        outbox,
        shortWay,
        state: async (publisher) => (await messages.publishers(tenantId, runId, [publisher])).get(publisher),
        sent: (page) => messages.sent(tenantId, { ...page, runId }),
      },
      lane,
    );
  }

  private take(key: BusKey, share: number): SharedOutbox {
    const known = this.shared.get(key.runId) ?? this.open(key);
    this.shared.set(key.runId, known);
    known.users += 1;
    known.share += share;
    return known;
  }

  private leave({ runId }: BusKey, share: number): void {
    const shared = this.shared.get(runId);
    if (shared === undefined) return;
    shared.users -= 1;
    shared.share -= share;
    if (shared.users > 0) return;
    shared.watch[Symbol.dispose]();
    this.shared.delete(runId);
  }

  private count(runId: string, change: number): void {
    const present = (this.present.get(runId) ?? 0) + change;
    if (present > 0) this.present.set(runId, present);
    else this.present.delete(runId);
  }

  private open(key: BusKey): SharedOutbox {
    const { repositories, notifications, signals } = this.deps;
    const watch = notifications.watch(key.runId, MESSAGES_CHANNEL);
    const shared: SharedOutbox = {
      users: 0,
      share: 0,
      part: 0,
      watch,
      outbox: new Outbox({
        deliver: (batch) => signals.deliver(key, batch),
        progress: (names) => repositories.messages.publishers(key.tenantId, key.runId, names),
        changed: (timeoutMs) => watch.changed(timeoutMs),
        windowBytes: () => {
          // Members that are here and silent leave their part to the others.
          const present = (this.present.get(key.runId) ?? 0) * shared.part;
          return LIMITS.windowBytes * Math.min(1, Math.max(shared.share, present));
        },
      }),
    };
    return shared;
  }
}

/** Who a sender is, where it is a member, and what part of the run's window it has. */
interface Place {
  readonly member?: string;
  readonly share: number;
}

interface SharedOutbox {
  users: number;
  /** Of the run's members, how many are here. */
  share: number;
  /** What one member has. */
  part: number;
  readonly watch: RunWatch;
  readonly outbox: Outbox;
}
