import { Worker as Thread } from 'node:worker_threads';
import type { Worker } from '@temporalio/worker';
import { ThreadedVMWorkflowCreator, WorkerThreadClient } from '@temporalio/worker/lib/workflow/threaded-vm';
import { builtPath } from '../built';
import { TersePassage } from './sink-calls';

type CreateCreator = (typeof Worker)['createWorkflowCreator'];

/**
 * Threads that run workflow code as the SDK's do, but for what `call-stacks.ts` and `sink-calls.ts` say, and without a limit on the
 * time of each call.
 */
export const createThreads = async (
  ...[workflowBundle, options, logger]: Parameters<CreateCreator>
): Promise<ThreadedVMWorkflowCreator> => {
  const { patchActivationCallback } = options;
  const path = builtPath('src', 'runtime', 'workflow-thread', 'thread.js');
  const clients = Array.from(
    { length: options.workflowThreadPoolSize },
    () => new WorkerThreadClient(new Thread(path), logger, patchActivationCallback),
  );
  const init = {
    type: 'init',
    workflowBundle,
    // Its type knows numbers only; node:vm takes what is undefined for no limit.
    isolateExecutionTimeoutMs: undefined as unknown as number,
    reuseV8Context: options.reuseV8Context,
    registeredActivityNames: new Set(options.activities.keys()),
    hasPatchActivationCallback: patchActivationCallback !== undefined,
  } as const;
  await Promise.all(clients.map((client) => client.send(init)));
  return new TerseCreator(clients);
};

class TerseCreator extends ThreadedVMWorkflowCreator {
  override async createWorkflow(...args: Parameters<ThreadedVMWorkflowCreator['createWorkflow']>) {
    return new TersePassage(await super.createWorkflow(...args));
  }
}
