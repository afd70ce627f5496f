import type { Rests } from '../../agents/long-wait';
import type { Turn } from '../run-turn';
import type { Watch } from '../watch';
import type { AgentBus } from './agent-bus';
import type { Buses } from './buses';

/** A turn of which nothing leaves, but for messages, before what it read is in the log. */
export interface Held {
  readonly bus: Pick<TurnBus, 'held'>;
}

/** The bus as one turn has it: nothing at all until its agent first asks for it. */
export class TurnBus implements Disposable {
  /** Undefined where the agent never asked. */
  joined: AgentBus | undefined;
  private over = false;

  constructor(
    private readonly buses: Buses,
    private readonly turn: Turn,
    private readonly watch: Pick<Watch, 'signal'>,
  ) {}

  join(rests: Rests): AgentBus {
    const { input, attempt } = this.turn;
    this.joined ??= this.buses.join({
      tenantId: input.tenantId,
      runId: input.runId,
      member: input.agent.name,
      agentRunId: attempt.agentRunId,
      turn: input.turn ?? 1,
      attempt: attempt.number,
      tokenHash: attempt.tokenHash,
      signal: this.watch.signal,
      rests,
    });
    // Who asks for it after the turn's end gets one that refuses everything.
    if (this.over) this.joined[Symbol.dispose]();
    return this.joined;
  }

  /** What everything but messages waits for before it leaves the turn; undefined where there is nothing to wait for. */
  held(): Promise<void> | undefined {
    return this.joined?.held();
  }

  [Symbol.dispose](): void {
    this.over = true;
    this.joined?.[Symbol.dispose]();
  }
}
