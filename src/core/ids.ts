/** Workflow id of a run: readable in the Web UI, and the same for every caller. */
export function workflowIdOf(runId: string): string {
  return `run-${runId}`;
}

/** Workflow id of a run's bus: where anybody may signal messages to. */
export function busIdOf(runId: string): string {
  return `bus-${runId}`;
}
