import type { LongWait, Rests, RestWish } from '../agents/long-wait';
import { AppError } from '../protocol/failures';
import { LIMITS } from '../protocol/limits';
import type { Resumption } from '../protocol/rest';
import type { TurnBus } from './bus/turn-bus';
import type { Turn } from './run-turn';
import type { Watch } from './watch';

/** The long waits of one turn: where the turn before left off, and how this one ends before its agent does. */
export class TurnRest implements Rests {
  private resumption: Resumption | undefined;

  constructor(
    private readonly turn: Turn,
    private readonly watch: Watch,
    private readonly bus: TurnBus,
  ) {
    this.resumption = turn.attempt.resumption;
  }

  begin(key: string, timeoutMs: number): LongWait {
    const { resumption } = this;
    // Whatever it waits for first: another wait than the one it slept in begins anew.
    this.resumption = undefined;
    if (resumption?.wait.key !== key) return { untilMs: Date.now() + timeoutMs };
    return { untilMs: resumption.untilMs, correlationId: resumption.wait.correlationId };
  }

  async lieDown(wish: RestWish): Promise<never> {
    const { turn = 1 } = this.turn.input;
    if (turn >= LIMITS.turnsPerAgentRun)
      throw new AppError(
        'RUN_LIMIT',
        `The agent has lain down ${turn} times, the limit (turnsPerAgentRun): wait for several messages at once, or in a step of the plan`,
      );
    // It would be lost with the turn, and with it whoever waits for it.
    await this.bus.joined?.drained();
    return await this.watch.lieDown(wish);
  }
}
