import type { Worker as Thread } from 'node:worker_threads';
import { Worker } from '@temporalio/worker';
import { Silence } from './silence';
import { createThreads } from './workflow-thread/creator';

type CreateCreator = (typeof Worker)['createWorkflowCreator'];
type HandleActivation = Worker['handleActivation'];

/** What the SDK keeps to itself of how it runs workflow code. */
interface Threaded {
  readonly workerThreadClients: readonly { readonly workerThread: Thread }[];
}

/**
 * A worker that watches its workflow thread from outside.
 *
 * The SDK limits the time of every call into workflow code, three or four calls an activation, and node:vm starts and joins a
 * thread for each limit: 0.09 ms where a processor is free (measured), and a wait for one where none is. That is for code
 * of which nobody knows whether it yields. All of ours does; should it not after all, the thread is ended, and the worker with it.
 */
export class UnwatchedWorker extends Worker {
  /** How long the thread may owe answers and give none, ms. A bus may find 10,000 signals in one task, on a slow machine. */
  protected static readonly silenceMs: number = 60_000;
  private silence: Silence | undefined;

  protected static override createWorkflowCreator(
    ...args: Parameters<CreateCreator>
  ): ReturnType<CreateCreator> {
    return createThreads(...args);
  }

  protected override handleActivation(...args: Parameters<HandleActivation>): ReturnType<HandleActivation> {
    this.silence ??= new Silence((this.constructor as typeof UnwatchedWorker).silenceMs, () => this.giveUp());
    return this.silence.heard(super.handleActivation(...args));
  }

  /** The SDK fails what waits for the thread, and shuts the worker down. */
  private giveUp(): void {
    this.logger.error('Workflow code does not yield: its thread is ended, and this worker with it');
    const { workerThreadClients } = this.workflowCreator as unknown as Threaded;
    for (const { workerThread } of workerThreadClients) void workerThread.terminate();
  }
}
