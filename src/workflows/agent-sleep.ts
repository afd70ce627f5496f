import type { Failure } from '../protocol/failures';
import type { Asleep, WaitsFor } from '../protocol/rest';
import { lookUp } from '../core/facts';
import { evaluate } from '../core/predicate';
import { lookIntoMailbox } from './activities';
import { Lookout } from './lookout';
import type { RunState } from './run-state';
import { startSleepTimer, type Timer } from './timer';

interface Sleeping {
  readonly address: string;
  readonly member: string;
  readonly asleep: Asleep;
  /** Called once; not where it was stopped. */
  readonly wake: () => void;
}

/** An agent that lies between two turns: nothing is held for it but a timer, and where it waits for a message its wish. */
export class AgentSleep {
  private readonly timer: Timer;
  private readonly lookout: Lookout<boolean> | undefined;
  private unwatch: () => void = () => undefined;
  private over = false;

  constructor(
    private readonly run: RunState,
    private readonly sleeping: Sleeping,
  ) {
    const { address, member, asleep } = sleeping;
    const { waitsFor, untilMs } = asleep;
    this.timer = startSleepTimer(run, untilMs, () => this.wake());
    this.lookout = waitsFor.for === 'message' ? this.lookoutOf() : undefined;
    run.sleepers.add(address, { member, asleep, look: this.lookout && (() => this.lookout?.wake()) });
    if (waitsFor.for === 'context') this.watch(waitsFor);
    this.lookout?.start();
  }

  stop(): void {
    this.over = true;
    this.timer.stop();
    this.lookout?.stop();
    this.unwatch();
    this.run.sleepers.remove(this.sleeping.address);
  }

  private wake(): void {
    if (this.over) return;
    this.stop();
    this.sleeping.wake();
  }

  private lookoutOf(): Lookout<boolean> {
    const { run } = this;
    const { address, member, asleep } = this.sleeping;
    const { turn, untilMs } = asleep;
    const { tenantId, runId } = run.input;
    return new Lookout<boolean>(run, {
      address,
      asleep: true,
      ask: () => {
        run.sleepers.looks(address);
        return lookIntoMailbox({ tenantId, runId, address, member, turn, untilMs });
      },
      take: (answer) => this.take(answer),
    });
  }

  /** A look that failed for good says nothing of the mailbox; its agent's next turn finds out. */
  private take(answer: boolean | Failure): boolean {
    if (answer === false) this.run.sleepers.looked(this.sleeping.address);
    else this.wake();
    return answer !== false;
  }

  private watch(wait: Extract<WaitsFor, { for: 'context' }>): void {
    let woken: () => void = () => undefined;
    // It goes on from here, not from the write of whoever woke it: that belongs to somebody else's scope.
    this.run.follow(new Promise<void>((resolve) => (woken = resolve)), () => this.wake());
    const look = (): void => {
      if (this.mayHold(wait)) woken();
    };
    this.unwatch = this.run.shared.watch(wait.key, look);
    look();
  }

  /** Of what lies in a blob the run knows only what its plan asks for: its agent looks for itself. */
  private mayHold({ key, where, version }: Extract<WaitsFor, { for: 'context' }>): boolean {
    const seen = this.run.shared.book.seen(key);
    if (seen === undefined) return false;
    if (!('inline' in seen.value)) return seen.version > version;
    return evaluate(where, (pointer) => lookUp(seen.value, pointer, this.run.facts));
  }
}
