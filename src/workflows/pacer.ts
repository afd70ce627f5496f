import { CancellationScope, sleep, workflowInfo } from '@temporalio/workflow';

/**
 * Most of the activity inputs that one workflow task schedules, in characters of JSON: three bytes each at the worst, and the
 * server takes no completion above 4 MB. Such a task would be tried for ever.
 */
const CHARS_PER_TASK = 1024 * 1024;

/** Spreads the scheduling of many activities, or of large ones, over several workflow tasks. */
export class Pacer {
  private task = -1;
  private scheduled = 0;
  private next: Promise<void> | undefined;

  /** Whether an activity with this input may be scheduled in this workflow task; then it counts. The first always may. */
  admits(input: object): boolean {
    const { historyLength } = workflowInfo();
    if (historyLength !== this.task) {
      this.task = historyLength;
      this.scheduled = 0;
    }
    const chars = JSON.stringify(input).length;
    if (this.scheduled > 0 && this.scheduled + chars > CHARS_PER_TASK) return false;
    this.scheduled += chars;
    return true;
  }

  /** Until the next workflow task: one timer, however many wait. */
  wait(): Promise<void> {
    this.next ??= CancellationScope.nonCancellable(async () => {
      await sleep(1);
      this.next = undefined;
    });
    return this.next;
  }
}
