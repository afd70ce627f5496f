import { CancellationScope } from '@temporalio/workflow';
import type { RunWorkflowInput } from '../protocol/run';

/** A new scope for work of a run to be cancelled by, or to be kept from that. */
export function workScope({ commandOrder }: RunWorkflowInput, cancellable = true): CancellationScope {
  const Scope = commandOrder === undefined ? CancellationScope : WorkScope;
  return new Scope({ cancellable });
}

/** The SDK's, but for two promises around the work's own: each costs a stack trace, and a turn in the queue of microtasks. */
class WorkScope extends CancellationScope {
  protected override runInContext<T>(work: () => Promise<T>): Promise<T> {
    return work();
  }
}
