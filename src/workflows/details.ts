import { setCurrentDetails } from '@temporalio/workflow';
import type { RunState } from './run-state';

/** The Web UI holds 20,000 bytes; rows beyond this are counted, not listed. */
const ROWS = 100;

/** Keeps the Web UI's current details up to date: a table of the agents and how each stands. */
export function showProgress(run: RunState): void {
  const rows = run.executions.slice(-ROWS).map((e) => `| ${e.address} | ${e.agent} | ${e.status} |`);
  const hidden = run.executions.length - rows.length;
  const more = hidden > 0 ? [`\n${hidden} earlier executions are not shown.`] : [];
  const degraded = run.degraded.map(
    (d) => `- **${d.agent}** ${d.instead}: ${d.code}, ${d.message.slice(0, 200)}`,
  );
  setCurrentDetails(
    [
      `### Run ${run.status}`,
      '| step | agent | status |',
      '| --- | --- | --- |',
      ...rows,
      ...more,
      ...(degraded.length > 0 ? ['', '### Degraded', ...degraded.slice(0, 20)] : []),
    ].join('\n'),
  );
}
