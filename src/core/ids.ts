/** Workflow id of a run: readable in the Web UI, and the same for every caller. */
export function workflowIdOf(runId: string): string {
  return `run-${runId}`;
}
