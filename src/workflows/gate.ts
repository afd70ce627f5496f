import { CancellationScope, patched, sleep, workflowInfo } from '@temporalio/workflow';
import type { NewEvent } from '../protocol/event';
import type { ExecuteAgentInput, SettleAgentInput } from '../protocol/run';
import { TaskBudget } from '../core/task-budget';
import { appendEvents } from './activities';
import type { RunState } from './run-state';

const STARTS_AT_ONCE = 100;
/** Pending decisions ride in every activity that starts; more of them than this are written down first. */
const MOST_RIDING = 20;
const EVENTS_PER_CALL = 100;
const STARTS_PER_HISTORY = 500;

/** What comes of letting nothing start any more. */
export type Quiet = 'over' | 'due';

/**
 * Where everything that fills the history has to pass: agents, child runs, timers. It lets in at most so many at once, and of
 * large inputs fewer, holds them back while decisions are written down, and lets in nobody once the history is full.
 */
export class Gate {
  private readonly waiting = new Set<() => void>();
  private allowance = STARTS_AT_ONCE;
  private starts = 0;
  /** What must have returned before this workflow may end or continue as new. */
  private busy = 0;
  private pausing = false;
  private readonly budget = new TaskBudget();
  private lighter: Promise<void> | undefined;
  private flushing = false;
  private writing = false;
  private over = false;
  private onQuiet: ((quiet: Quiet) => void) | undefined;

  constructor(private readonly run: RunState) {}

  /** Calls `start` when it may; what it starts is busy until `leave`. Answers how to give up waiting. */
  enter(start: () => void): () => void {
    this.waiting.add(start);
    this.advance();
    return () => void this.waiting.delete(start);
  }

  /** Whether an activity with this input may be scheduled in this workflow task; then it counts. The first always may. */
  admits(input: ExecuteAgentInput | SettleAgentInput): boolean {
    const admitted = this.budget.admits(workflowInfo().historyLength, input);
    if (admitted) this.run.untold = false;
    return admitted;
  }

  /** Until there is room for large inputs again: one timer, however many wait. */
  room(): Promise<void> {
    this.lighter ??= CancellationScope.nonCancellable(async () => {
      await sleep(1);
      this.lighter = undefined;
    });
    return this.lighter;
  }

  /** Something that had entered is back, or goes on without filling the history. */
  leave(): void {
    this.busy -= 1;
    this.advance();
    if (this.busy === 0 && this.waiting.size === 0 && this.run.moving === 0 && !this.over)
      this.run.sleepers.check();
  }

  /** Something else that must be awaited until it leaves: it enters past everybody. */
  hold(): void {
    this.busy += 1;
  }

  /** Nothing will enter any more. */
  close(): void {
    this.over = true;
    this.waiting.clear();
    this.advance();
  }

  /** Calls back once: when all is over and back, or when the history is full, all is back, and something waits. */
  whenQuiet(callback: (quiet: Quiet) => void): void {
    this.onQuiet = callback;
    this.advance();
  }

  private advance(): void {
    for (const start of this.waiting) {
      if (this.isDue() || this.flushing || !this.mayStart()) break;
      this.waiting.delete(start);
      this.busy += 1;
      this.allowance -= 1;
      this.starts += 1;
      start();
    }
    if (this.busy > 0) return;
    if (this.over) this.tell('over');
    else if (this.waiting.size > 0 && this.isDue()) this.tell('due');
  }

  private tell(quiet: Quiet): void {
    const { onQuiet } = this;
    this.onQuiet = undefined;
    onQuiet?.(quiet);
  }

  private isDue(): boolean {
    const most = this.run.input.startsPerHistory ?? STARTS_PER_HISTORY;
    return this.starts >= most || workflowInfo().continueAsNewSuggested;
  }

  private mayStart(): boolean {
    if (this.run.pendingEvents().length > MOST_RIDING) {
      this.flushing = true;
      this.hold();
      this.run.follow(this.flush(), () => {
        this.flushing = false;
        this.leave();
      });
      return false;
    }
    if (this.allowance > 0) return true;
    this.awaitNextTask();
    return false;
  }

  /** A timer fires in another workflow task. Nothing else says that this one is over, and says the same in a replay. */
  private awaitNextTask(): void {
    if (this.pausing) return;
    this.pausing = true;
    this.run.follow(sleep(1), () => {
      this.pausing = false;
      this.allowance = STARTS_AT_ONCE;
      this.advance();
    });
  }

  /**
   * What was decided and nothing scheduled since carries would be lost with a run that is closed from outside, and seen by
   * nobody until something else ends: it is written down at once. A run that is about to end or to continue does so itself.
   */
  tellDecisions(): void {
    if (!this.run.untold || this.writing || this.over || this.onQuiet === undefined) return;
    if (!patched('decisions-at-once')) return;
    this.writing = true;
    this.hold();
    this.run.follow(this.flush(), () => {
      this.writing = false;
      this.leave();
    });
  }

  /** Writes down what is pending, before anything that it caused, or the run's end. */
  async flush(): Promise<void> {
    const { tenantId, runId } = this.run.input;
    while (this.run.pendingEvents().length > 0) {
      const events: readonly NewEvent[] = this.run.pendingEvents().slice(0, EVENTS_PER_CALL);
      this.run.untold = false;
      await appendEvents({ tenantId, runId, events });
      this.run.delivered(events);
    }
  }
}
