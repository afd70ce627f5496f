import type { Decoded, Encoded } from '@temporalio/common/lib/internal-non-workflow';
import { WorkflowCodecRunner } from '@temporalio/worker/lib/workflow-codec-runner';
import { UnwatchedWorker } from './unwatched-worker';

type CreateWorkflow = UnwatchedWorker['createWorkflow'];
type Activation = Parameters<WorkflowCodecRunner['decodeActivation']>[0];
type Completion = Parameters<WorkflowCodecRunner['encodeCompletion']>[0];

/**
 * A worker that passes on what goes in and out of workflow code as it is, where there is no codec.
 *
 * The SDK copies all of it for codecs to work on, part by part and promise by promise, also where there are none: 0.2 ms an
 * activation (measured).
 */
export class PlainWorker extends UnwatchedWorker {
  protected override async createWorkflow(...args: Parameters<CreateWorkflow>): ReturnType<CreateWorkflow> {
    const workflow = await super.createWorkflow(...args);
    if (this.options.loadedDataConverter.payloadCodecs.length > 0) return workflow;
    return {
      ...workflow,
      workflowCodecRunner: new Untouched([], workflow.workflowCodecRunner.workflowContext),
    };
  }
}

class Untouched extends WorkflowCodecRunner {
  override async decodeActivation<T extends Activation>(activation: T): Promise<Decoded<T>> {
    return activation as Decoded<T>;
  }

  override async encodeCompletion(completion: Completion): Promise<Encoded<Completion>> {
    return completion as Encoded<Completion>;
  }
}
