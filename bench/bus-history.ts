import { busIdOf } from '../src/core/ids';
import type { Rig } from './rig';

/** Of a run's bus, over every time that it continued as new. */
export async function busHistoryOf(
  { temporal }: Pick<Rig, 'temporal'>,
  runId: string,
): Promise<{ readonly executions: number; readonly events: number }> {
  const workflowId = busIdOf(runId);
  const { raw } = await temporal.workflow.getHandle(workflowId).describe();
  let [executions, events] = [0, 0];
  let next = raw.workflowExecutionInfo?.firstRunId ?? undefined;
  while (next !== undefined && next !== '') {
    executions += 1;
    events += (await temporal.workflow.getHandle(workflowId, next).describe()).historyLength;
    const { history } = await temporal.workflowService.getWorkflowExecutionHistoryReverse({
      namespace: temporal.options.namespace,
      execution: { workflowId, runId: next },
      maximumPageSize: 1,
    });
    const last = history?.events?.[0]?.workflowExecutionContinuedAsNewEventAttributes;
    next = last?.newExecutionRunId ?? undefined;
  }
  return { executions, events };
}
