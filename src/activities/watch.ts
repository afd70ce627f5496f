import type { Context } from '@temporalio/activity';
import { AppError } from '../protocol/failures';
import { reach } from '../telemetry/kill-points';

/** How often a working agent is reported alive; the server gives up after 15 s of silence. */
const HEARTBEAT_EVERY_MS = 3_000;
/** One for all: an error made for every attempt would cost each the trace of its stack. */
const OVER = new AppError('ATTEMPT_FENCED', 'The turn is over, and its context with it');

/** Longest note of an agent that a heartbeat carries: the server fails an activity whose note it cannot keep. */
const NOTE_CHARS = 1_000;

/** Keeps an attempt within its bounds: reports it alive, aborts it on time-out, cancellation and shutdown. */
export class Watch {
  readonly signal: AbortSignal;
  private readonly timeout = new AbortController();
  private over = false;
  private readonly timers: NodeJS.Timeout[];

  constructor(
    timeoutMs: number,
    private readonly activity: Context,
  ) {
    this.signal = AbortSignal.any([activity.cancellationSignal, this.timeout.signal]);
    // Made where it is needed, for the same reason.
    const late = (): AppError =>
      new AppError('AGENT_TIMEOUT', `The agent did not finish within its limit of ${timeoutMs} ms`);
    this.timers = [
      setTimeout(() => this.timeout.abort(late()), timeoutMs),
      setInterval(() => this.heartbeat(), HEARTBEAT_EVERY_MS),
    ];
  }

  /** Waits for the work or for the signal, whichever comes first: an agent that ignores cancellation holds nobody up. */
  async bound<T>(work: () => Promise<T>): Promise<T> {
    let onAbort = (): void => undefined;
    const aborted = new Promise<never>((_, reject) => {
      // A cancellation surfaces as Temporal's own CancelledFailure, which must not be counted as the agent's.
      onAbort = () => {
        if (this.timeout.signal.aborted) reject(this.timeout.signal.reason as Error);
        else this.activity.cancelled.catch(reject);
      };
      if (this.signal.aborted) onAbort();
      else this.signal.addEventListener('abort', onAbort, { once: true });
    });
    try {
      return await Promise.race([work(), aborted]);
    } catch (error) {
      // What an agent throws because it was aborted is the abort.
      this.timeout.signal.throwIfAborted();
      if (this.activity.cancellationSignal.aborted) await this.activity.cancelled;
      throw error;
    } finally {
      this.signal.removeEventListener('abort', onAbort);
    }
  }

  heartbeat(note?: string): void {
    if (this.over) return;
    reach('heartbeat.before');
    this.activity.heartbeat(note?.slice(0, NOTE_CHARS));
    reach('heartbeat.after');
  }

  /** Throws ATTEMPT_FENCED once the turn is over: what an agent left running must not act under its name. */
  assertOpen(): void {
    if (this.over) throw OVER;
  }

  /** The turn is over; whatever still runs for it is told to stop. */
  [Symbol.dispose](): void {
    this.over = true;
    for (const timer of this.timers) clearTimeout(timer);
    this.timeout.abort(OVER);
  }
}
