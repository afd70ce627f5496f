import { setTimeout as sleep } from 'node:timers/promises';

/** Work that is done again and again for as long as its process lives. */
export interface Recurring {
  readonly intervalMs: number;
  turn(signal: AbortSignal): Promise<void>;
  /** Told of a turn that failed; the next one is tried all the same. */
  failed(error: unknown, signal: AbortSignal): void;
}

/** Begins, after one pause; disposing ends it and waits for the turn under way. No error ends it. */
export function startRecurring(work: Recurring): AsyncDisposable {
  const stop = new AbortController();
  const ended = keepGoing(work, stop.signal);
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await ended;
    },
  };
}

async function keepGoing(work: Recurring, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    // Jittered: workers of one deployment start together, and should not ask together for ever after.
    const pause = work.intervalMs * (0.8 + 0.4 * Math.random());
    await sleep(pause, undefined, { signal, ref: false }).catch(() => undefined);
    if (signal.aborted) return;
    await work.turn(signal).catch((error: unknown) => work.failed(error, signal));
  }
}
