import type { CarriedStep } from '../protocol/carried';
import type { Value } from '../protocol/json';
import type { WaitStep } from '../protocol/plan';
import { lookUp } from '../core/facts';
import { evaluate } from '../core/predicate';
import { leavesOf } from '../core/strategies/child-scope';
import type { RunState } from './run-state';
import type { AttemptEnd, Running } from './running';
import { startTimer, type Timer } from './timer';
import { beginWait, type Waiting } from './wait';

type Step = Extract<WaitStep, { for: 'context' }>;

/** A step that waits until a key of the context holds what is wanted. Its output is what the key holds then. */
export class ContextWait implements Running {
  private timer: Timer | undefined;
  private unwatch: () => void = () => undefined;
  private withdraw: () => void = () => undefined;
  private over = false;

  constructor(
    private readonly run: RunState,
    private readonly step: Step,
    private readonly waiting: Waiting,
  ) {
    const wait = { until: waiting.until, forMs: step.timeoutMs };
    this.withdraw = beginWait(run, wait, (until) => this.start(until));
  }

  stop(): void {
    this.over = true;
    this.withdraw();
    this.unwatch();
    this.timer?.stop();
  }

  carried(): Partial<CarriedStep> {
    return this.timer === undefined ? {} : { until: this.timer.until };
  }

  private start(until: number): void {
    const { key, timeoutMs } = this.step;
    let found: (value: Value) => void = () => undefined;
    // Whatever comes of it goes on from here, not from the agent's write: that belongs to somebody else's scope.
    this.run.follow(new Promise<Value>((resolve) => (found = resolve)), (value) => this.holds(value));
    const look = (): void => {
      const value = this.wanted();
      if (value !== undefined) found(value);
    };
    this.timer = startTimer(this.run, until, () => {
      const message = `Context key "${key}" did not hold what the step waits for within ${timeoutMs} ms`;
      this.end({
        outcome: { type: 'failed', failure: { code: 'STEP_TIMEOUT', message } },
        outputs: [],
        own: true,
      });
    });
    this.unwatch = this.run.shared.watch(key, look);
    look();
  }

  /** The key's value, where it is what is waited for. */
  private wanted(): Value | undefined {
    const { key, where } = this.step;
    const value = this.run.shared.book.seen(key)?.value;
    if (value === undefined || where === undefined) return value;
    return evaluate(where, (pointer) => lookUp(value, pointer, this.run.facts)) ? value : undefined;
  }

  private holds(output: Value): void {
    const outcome = { type: 'done', output, leaves: leavesOf(this.step, output) } as const;
    this.end({ outcome, outputs: [], own: false });
  }

  private end(end: AttemptEnd): void {
    if (this.over) return;
    this.stop();
    this.waiting.ended(end);
  }
}
