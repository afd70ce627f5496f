import { CancellationScope } from '@temporalio/workflow';
import type { RunWorkflowInput } from '../protocol/run';

/** A new scope for work of a run to be cancelled by. */
export function workScope({ commandOrder }: RunWorkflowInput): CancellationScope {
  return commandOrder === undefined ? new CancellationScope() : new WorkScope();
}

/** The SDK's, but for two promises around the work's own: each costs a stack trace, and a turn in the queue of microtasks. */
class WorkScope extends CancellationScope {
  protected override runInContext<T>(work: () => Promise<T>): Promise<T> {
    return work();
  }
}
