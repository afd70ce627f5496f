import { type Client, WorkflowIdConflictPolicy, WorkflowIdReusePolicy } from '@temporalio/client';
import { AppError } from '../protocol/failures';
import type { RunWorkflowInput } from '../protocol/run';
import { workflowIdOf } from '../core/ids';
import { planSummary } from '../core/plan-summary';
import type { RunRow } from '../db/rows';
import { searchAttributesOf } from './search-attributes';

export interface RunStart {
  readonly temporal: Client;
  readonly taskQueue: string;
}

/** What a run's row says about the work to do. */
export type AcceptedRun = Pick<
  RunRow,
  'id' | 'tenantId' | 'projectId' | 'task' | 'input' | 'plan' | 'agents'
>;

/**
 * Starts the workflow of an accepted run, unless it has one already. Throws TEMPORAL_UNAVAILABLE.
 * The default start is not idempotent: only both policies together give one workflow per id.
 */
export async function startRun({ temporal, taskQueue }: RunStart, run: AcceptedRun): Promise<void> {
  const { id: runId, tenantId, projectId, task, input, plan, agents } = run;
  const args: [RunWorkflowInput] = [
    { schemaVersion: 1, tenantId, projectId, runId, task, input, plan, agents },
  ];
  try {
    await temporal.workflow.start('teamRun', {
      workflowId: workflowIdOf(runId),
      taskQueue,
      args,
      workflowIdReusePolicy: WorkflowIdReusePolicy.REJECT_DUPLICATE,
      workflowIdConflictPolicy: WorkflowIdConflictPolicy.USE_EXISTING,
      typedSearchAttributes: await searchAttributesOf(temporal, run),
      staticSummary: planSummary(plan).slice(0, 200),
    });
  } catch (cause) {
    if (cause instanceof Error && cause.name === 'WorkflowExecutionAlreadyStartedError') return;
    const text = `Run ${runId} is accepted but could not be started: ${String(cause)}`;
    throw new AppError('TEMPORAL_UNAVAILABLE', text, { cause });
  }
}
