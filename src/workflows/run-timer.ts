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
  private until: number | undefined;
  private readonly withdraw: () => void;

  constructor(run: RunState, step: Extract<WaitStep, { for: 'timer' }>, { ended, until }: Waiting) {
    this.until = until;
    this.withdraw = run.gate.enter(() => {
      this.until ??= Date.now() + step.durationMs;
      this.timer = startTimer(run, this.until, () =>
        ended({ outcome: { type: 'done' }, outputs: [], own: false }),
      );
      run.gate.leave();
    });
  }

  stop(): void {
    this.withdraw();
    this.timer?.stop();
  }

  carried(): Partial<CarriedStep> {
    return this.until === undefined ? {} : { until: this.until };
  }
}
