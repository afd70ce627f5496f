import { Client, type Notification } from 'pg';
import { type Channel, EVENTS_CHANNEL } from './wake';

const RECONNECT_AFTER_MS = 500;

/** Waits for changes of one run. Dispose it when nobody follows the run any more. */
export interface RunWatch extends Disposable {
  /** Whether the run has changed since `changed` was last waited for. */
  readonly hasChanged: boolean;
  /** Resolves when the run has changed since the last call, at the latest after `timeoutMs`; a lost wake-up costs no more. */
  changed(timeoutMs: number, signal?: AbortSignal): Promise<void>;
}

/** Wakes those who follow runs: one LISTEN connection for the process, made at the first watch, remade when it breaks. */
export class RunNotifications implements AsyncDisposable {
  private readonly watches = new Map<string, Set<Watch>>();
  /** Listened to from the first watch on: the busy channel costs nothing where nobody follows it. */
  private readonly channels = new Set<Channel>([EVENTS_CHANNEL]);
  private connection: Client | undefined;
  private reconnecting: NodeJS.Timeout | undefined;
  private closed = false;

  /** `url` must reach PostgreSQL itself: a pooler in transaction mode does not pass notifications on. */
  constructor(
    private readonly url: string,
    private readonly onError: (error: Error) => void,
  ) {}

  /** Wakes for a run's story, and for what comes in on the other channels named. */
  watch(runId: string, ...more: readonly Channel[]): RunWatch {
    for (const channel of more) this.listen(channel);
    if (this.connection === undefined && !this.closed) this.connect();
    const keys = [EVENTS_CHANNEL, ...more].map((channel) => `${channel}:${runId}`);
    const watch = new Watch(() => {
      for (const key of keys) {
        const others = this.watches.get(key);
        others?.delete(watch);
        if (others?.size === 0) this.watches.delete(key);
      }
    });
    for (const key of keys) this.watches.set(key, (this.watches.get(key) ?? new Set()).add(watch));
    return watch;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.closed = true;
    clearTimeout(this.reconnecting);
    this.wakeAll();
    await this.connection?.end().catch(() => undefined);
  }

  private connect(): void {
    const connection = new Client({ connectionString: this.url, application_name: 'ensemble-listen' });
    this.connection = connection;
    connection.on('notification', (notification) => this.wake(notification));
    connection.on('error', (error) => this.reconnect(connection, error));
    connection.on('end', () => this.reconnect(connection));
    connection
      .connect()
      .then(() => connection.query([...this.channels].map((channel) => `listen ${channel}`).join('; ')))
      // Whoever began to watch before the channel was open may have missed a change.
      .then(() => this.wakeAll())
      .catch((error: unknown) => this.reconnect(connection, error as Error));
  }

  private listen(channel: Channel): void {
    if (this.channels.has(channel)) return;
    this.channels.add(channel);
    // A connection that is not there yet, or broken, listens to all of them once it is.
    this.connection
      ?.query(`listen ${channel}`)
      .then(() => this.wakeAll())
      .catch(() => undefined);
  }

  private reconnect(broken: Client, error?: Error): void {
    if (this.closed || this.connection !== broken) return;
    if (error !== undefined) this.onError(error);
    this.connection = undefined;
    broken.end().catch(() => undefined);
    this.wakeAll();
    this.reconnecting = setTimeout(() => {
      if (!this.closed && this.connection === undefined) this.connect();
    }, RECONNECT_AFTER_MS);
    this.reconnecting.unref();
  }

  private wake({ channel, payload = '' }: Notification): void {
    const key = `${channel}:${payload.slice(payload.indexOf(':') + 1)}`;
    for (const watch of this.watches.get(key) ?? []) watch.wake();
  }

  private wakeAll(): void {
    for (const watches of this.watches.values()) for (const watch of watches) watch.wake();
  }
}

class Watch implements RunWatch {
  private dirty = false;
  private resume: (() => void) | undefined;

  constructor(private readonly onDispose: () => void) {}

  get hasChanged(): boolean {
    return this.dirty;
  }

  wake(): void {
    this.dirty = true;
    this.resume?.();
  }

  async changed(timeoutMs: number, signal?: AbortSignal): Promise<void> {
    if (!this.dirty && signal?.aborted !== true)
      await new Promise<void>((resolve) => {
        const finish = (): void => {
          clearTimeout(timer);
          signal?.removeEventListener('abort', finish);
          resolve();
        };
        const timer = setTimeout(finish, timeoutMs);
        this.resume = finish;
        signal?.addEventListener('abort', finish, { once: true });
      });
    this.resume = undefined;
    this.dirty = false;
    signal?.throwIfAborted();
  }

  [Symbol.dispose](): void {
    this.wake();
    this.onDispose();
  }
}
