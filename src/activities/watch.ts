import type { Context } from '@temporalio/activity';
import type { RestWish } from '../agents/long-wait';
import { AppError } from '../protocol/failures';
import { reach } from '../telemetry/kill-points';

/** How often a working agent is reported alive; the server gives up after 15 s of silence. */
const HEARTBEAT_EVERY_MS = 3_000;
/** One for all: an error made for every attempt would cost each the trace of its stack. */
const OVER = new AppError('ATTEMPT_FENCED', 'The turn is over, and its context with it');

const LAIN = new AppError('ATTEMPT_FENCED', 'The turn is over: its agent has lain down');

/** Longest note of an agent that a heartbeat carries: the server fails an activity whose note it cannot keep. */
const NOTE_CHARS = 1_000;

/** Keeps an attempt within its bounds: reports it alive, aborts it on time-out, cancellation and shutdown. */
export class Watch {
  private timer: NodeJS.Timeout | undefined;
  /** Why the work is to stop; undefined as long as it is not. */
  private stopped: { readonly reason: unknown } | undefined;
  private over = false;
  /** Why the turn ends before its agent does. */
  private wish: RestWish | undefined;
  private controller: AbortController | undefined;
  private onStop: (() => void) | undefined;

  constructor(
    timeoutMs: number,
    private readonly activity: Context,
  ) {
    // Made where it is needed, for the same reason.
    const late = (): AppError =>
      new AppError('AGENT_TIMEOUT', `The agent did not finish within its limit of ${timeoutMs} ms`);
    const until = performance.now() + timeoutMs;
    // One timer at a time: a second one would cost every agent its making and its clearing.
    const wait = (leftMs: number): void => {
      const ms = leftMs > 0 ? Math.min(leftMs, HEARTBEAT_EVERY_MS) : HEARTBEAT_EVERY_MS;
      this.timer = setTimeout(beat, ms);
    };
    const beat = (): void => {
      const leftMs = until - performance.now();
      this.heartbeat();
      if (leftMs <= 0) this.stop(late());
      wait(leftMs);
    };
    wait(timeoutMs);
    const { cancellationSignal } = activity;
    if (cancellationSignal.aborted) this.cancelled();
    else cancellationSignal.addEventListener('abort', this.cancelled, { once: true });
  }

  /** Made for the first who asks: an agent that calls no model and no tool needs none. */
  get signal(): AbortSignal {
    if (this.controller === undefined) {
      this.controller = new AbortController();
      if (this.stopped !== undefined) this.controller.abort(this.stopped.reason);
    }
    return this.controller.signal;
  }

  /** Waits for the work or for its stop, whichever comes first: an agent that ignores cancellation holds nobody up. */
  async bound<T>(work: () => Promise<T>): Promise<T> {
    const stop = new Promise<never>((_, reject) => {
      this.onStop = () => {
        // A cancellation surfaces as Temporal's own CancelledFailure, which must not be counted as the agent's.
        if (this.activity.cancellationSignal.aborted) this.activity.cancelled.catch(reject);
        else reject(this.stopped?.reason as Error);
      };
      if (this.stopped !== undefined) this.onStop();
    });
    try {
      return await Promise.race([work(), stop]);
    } catch (error) {
      // What an agent throws because it was stopped is the stop.
      if (this.stopped !== undefined) await stop;
      throw error;
    } finally {
      this.onStop = undefined;
    }
  }

  /** Ends the turn, and with it whatever its agent still does. Never resolves. */
  lieDown(wish: RestWish): Promise<never> {
    this.wish ??= wish;
    this.stop(LAIN);
    return new Promise(() => undefined);
  }

  /** What the agent wants that lay down, where that is why the work was stopped. */
  get rest(): RestWish | undefined {
    return this.stopped?.reason === LAIN ? this.wish : undefined;
  }

  heartbeat(note?: string): void {
    if (this.over) return;
    reach('heartbeat.before');
    this.activity.heartbeat(note?.slice(0, NOTE_CHARS));
    reach('heartbeat.after');
  }

  /** Throws ATTEMPT_FENCED once the turn is over: what an agent left running must not act under its name. */
  assertOpen(): void {
    if (this.over || this.wish !== undefined) throw OVER;
  }

  /** The turn is over; whatever still runs for it is told to stop. */
  [Symbol.dispose](): void {
    this.over = true;
    clearTimeout(this.timer);
    this.activity.cancellationSignal.removeEventListener('abort', this.cancelled);
    this.stop(OVER);
  }

  private readonly cancelled = (): void => this.stop(this.activity.cancellationSignal.reason);

  private stop(reason: unknown): void {
    if (this.stopped !== undefined) return;
    this.stopped = { reason };
    this.controller?.abort(reason);
    this.onStop?.();
  }
}
