import type { CarriedStep } from '../protocol/carried';
import type { WaitStep } from '../protocol/plan';
import type { RunState } from './run-state';
import type { Running } from './running';
import { startTimer, type Timer } from './timer';
import { beginWait, type Waiting } from './wait';

/** A step that lets time pass. It leaves no output. */
export class TimerRun implements Running {
  private timer: Timer | undefined;
  private withdraw: () => void = () => undefined;

  constructor(
    private readonly run: RunState,
    step: Extract<WaitStep, { for: 'timer' }>,
    private readonly waiting: Waiting,
  ) {
    const wait = { until: waiting.until, forMs: step.durationMs };
    this.withdraw = beginWait(run, wait, (until) => this.start(until));
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
