import { setTimeout as sleep } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import { AppError } from '../protocol/failures';

/** A managed PostgreSQL that fails over is away for up to a minute. */
const PATIENCE_MS = 60_000;
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 2_000;

/** Whoever waits: says when to stop, and is reported alive meanwhile. */
export interface Waiting {
  readonly signal: AbortSignal;
  heartbeat(): void;
}

/**
 * Waits for a PostgreSQL that is away to write down what an attempt does: else it would fail in the middle, and all that it has
 * done would be done again. `write` may be carried out twice. Rejects as it does; as it did last where PostgreSQL stays away for
 * a minute, or the one who waits is to stop.
 */
export async function kept<T>(
  waiting: Waiting,
  write: () => Promise<T>,
  patienceMs = PATIENCE_MS,
): Promise<T> {
  const since = performance.now();
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
    try {
      return await write();
    } catch (error) {
      const { signal } = waiting;
      if (!isAway(error) || signal.aborted || performance.now() - since + pause > patienceMs) throw error;
      waiting.heartbeat();
      await sleep(pause, undefined, { signal }).catch(() => undefined);
    }
  }
}

/** The activity under way: for what is left when its agent's work is over. */
export function activityWaiting(): Waiting {
  const activity = Context.current();
  return { signal: activity.cancellationSignal, heartbeat: () => activity.heartbeat() };
}

/** Whether it may help to try again when PostgreSQL is back. */
export function isAway(error: unknown): boolean {
  return AppError.is(error) && error.code === 'DATABASE_UNAVAILABLE';
}
