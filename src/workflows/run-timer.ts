import type { CarriedStep } from '../protocol/carried';
import type { WaitStep } from '../protocol/plan';
import type { RunState } from './run-state';
import type { AttemptEnd, Done, Running } from './running';
import { startTimer, type Timer } from './timer';

interface Waiting {
  readonly ended: Done<AttemptEnd>;
  /** Where it had begun before the workflow continued as new. */
  readonly until: number | undefined;
}

/** A step that lets time pass. It leaves no output. */
export class TimerRun implements Running {
  private timer: Timer | undefined;
  private readonly withdraw: () => void;

  constructor(
    private readonly run: RunState,
    step: Extract<WaitStep, { for: 'timer' }>,
    private readonly waiting: Waiting,
  ) {
    const { until } = waiting;
    this.withdraw = () => undefined;
    // One that had begun goes on; only what is new has to wait for its turn.
    if (until !== undefined) this.start(until);
    else
      this.withdraw = run.gate.enter(() => {
        this.start(Date.now() + step.durationMs);
        run.gate.leave();
      });
  }

  stop(): void {
    this.withdraw();
    this.timer?.stop();
  }

  carried(): Partial<CarriedStep> {
    return this.timer === undefined ? {} : { until: this.timer.until };
  }

  private start(until: number): void {
    this.timer = startTimer(this.run, until, () =>
      this.waiting.ended({ outcome: { type: 'done' }, outputs: [], own: false }),
    );
  }
}
