import type { RunWatch } from '../../db/notifications';

/** How long one sleeps at most: a wake-up can be lost with its connection, a message cannot. */
const SLEEP_MS = 1_000;

/** Everybody who waits at one mailbox: one of them listens to the log for all. */
export class Sleepers {
  private readonly asleep = new Set<() => void>();
  private listening = false;

  /** `onChange` is called where the log may have grown, before anybody wakes. */
  constructor(
    private readonly watch: Pick<RunWatch, 'changed'>,
    private readonly onChange: () => void,
  ) {}

  wake(): void {
    for (const wake of this.asleep) wake();
  }

  /** Resolves once there may be something to do, at the latest after so long. Rejects with the signal. */
  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', wake);
        this.asleep.delete(wake);
        resolve();
      };
      const timer = setTimeout(
        () => {
          this.onChange();
          wake();
        },
        Math.min(ms, SLEEP_MS),
      );
      this.asleep.add(wake);
      signal?.addEventListener('abort', wake, { once: true });
      if (!this.listening) void this.listen();
    });
    signal?.throwIfAborted();
  }

  private async listen(): Promise<void> {
    this.listening = true;
    while (this.asleep.size > 0) {
      await this.watch.changed(SLEEP_MS);
      this.onChange();
      this.wake();
    }
    this.listening = false;
  }
}
