import { deadlockOf, type Sleeper } from '../core/bus/deadlock';
import type { Failure } from '../protocol/failures';

interface Known extends Sleeper {
  /** Looks into its mailbox once more; absent of one that waits for the context, which is never behind. */
  readonly look: (() => void) | undefined;
}

/** By how many turns had ended when the last look began, and the last that found nothing. */
interface State extends Known {
  begun: number;
  answered: number;
}

const WAY_OUT =
  'say `wokenBy: "outside"` where somebody outside of the run may send, and `wokenBy: "timeout"` where the time-out is an end too';

/** The members that sleep, and whether anybody is left who could wake them. */
export class Sleepers {
  private readonly sleepers = new Map<string, State>();
  private ended = 0;

  /** Told of a run that can never go on, once. */
  onDeadlock: ((failure: Failure) => void) | undefined;

  add(address: string, sleeper: Known): void {
    this.sleepers.set(address, { ...sleeper, begun: 0, answered: -1 });
  }

  /** Whoever was at work may have sent something. */
  turnEnded(): void {
    this.ended += 1;
  }

  remove(address: string): void {
    this.sleepers.delete(address);
  }

  /** A look into its mailbox begins. */
  looks(address: string): void {
    const sleeper = this.sleepers.get(address);
    if (sleeper !== undefined) sleeper.begun = this.ended;
  }

  /** It found nothing. */
  looked(address: string): void {
    const sleeper = this.sleepers.get(address);
    if (sleeper !== undefined) sleeper.answered = sleeper.begun;
  }

  /**
   * To be called when nothing of the run is at work, and no time but theirs passes. Whoever worked last may have sent
   * something, so mailboxes are looked into once more before all of them are given up.
   */
  check(): void {
    if (this.sleepers.size === 0) return;
    const all = [...this.sleepers.values()];
    const line = deadlockOf(all);
    if (line === undefined) return;
    const behind = all.filter(({ look, answered }) => look !== undefined && answered < this.ended);
    for (const { look } of behind) look?.();
    if (behind.length > 0) return;
    const { onDeadlock } = this;
    this.onDeadlock = undefined;
    onDeadlock?.({
      code: 'DEADLOCK',
      message: `All members sleep, and nobody is left to wake them: ${line}; ${WAY_OUT}`,
    });
  }
}
