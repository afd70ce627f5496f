import { setCurrentDetails } from '@temporalio/workflow';
import type { CarriedExecution } from '../protocol/carried';
import type { Json } from '../protocol/json';
import type { RunState } from './run-state';

/** The Web UI holds 20,000 bytes; rows beyond this are counted, not listed. */
const ROWS = 100;
/** Executions remembered: somewhat more, so that the list is cut seldom. */
const REMEMBERED = 2 * ROWS;

/** One agent execution as the workflow sees it; attempts are known to PostgreSQL only. */
export interface Execution {
  readonly address: string;
  readonly agent: string;
  status: string;
  /** Its line of the table. */
  row: string;
}

/** The latest executions of a run, and the Web UI's current details: a table of them and how each stands. */
export class Progress {
  private executions: Execution[] = [];
  private earlier = 0;

  constructor(private readonly run: RunState) {}

  started(address: string, agent: string): Execution {
    const execution: Execution = { address, agent, status: 'running', row: rowOf(address, agent, 'running') };
    this.executions.push(execution);
    if (this.executions.length > REMEMBERED) {
      this.earlier += ROWS;
      this.executions = this.executions.slice(ROWS);
    }
    this.show();
    return execution;
  }

  /** A later turn of an execution that was asleep. */
  woken(address: string, agent: string): Execution {
    const execution = this.executions.findLast((one) => one.address === address);
    if (execution === undefined) return this.started(address, agent);
    this.ended(execution, 'running');
    return execution;
  }

  ended(execution: Execution, status: 'completed' | 'failed' | 'cancelled' | 'asleep' | 'running'): void {
    execution.status = status;
    execution.row = rowOf(execution.address, execution.agent, status);
    this.show();
  }

  /** Rows are made when they change: what is left here is joining a hundred of them. */
  show(): void {
    const { status, degraded } = this.run;
    const shown = this.executions.slice(-ROWS);
    const hidden = this.earlier + this.executions.length - shown.length;
    let text = `### Run ${status}\n| step | agent | status |\n| --- | --- | --- |`;
    for (const { row } of shown) text += row;
    if (hidden > 0) text += `\n\n${hidden} earlier executions are not shown.`;
    if (degraded.length > 0) text += '\n\n### Degraded';
    for (const { agent, instead, code, message } of degraded.slice(0, 20))
      text += `\n- **${agent}** ${instead}: ${code}, ${message.slice(0, 200)}`;
    setCurrentDetails(text);
  }

  view(): { readonly executions: Json; readonly earlierExecutions: number } {
    const { executions, earlierExecutions } = this.carried();
    return { executions: executions.map((execution) => ({ ...execution })), earlierExecutions };
  }

  carried(): { readonly executions: readonly CarriedExecution[]; readonly earlierExecutions: number } {
    const executions = this.executions.map(({ address, agent, status }) => ({ address, agent, status }));
    return { executions, earlierExecutions: this.earlier };
  }

  restore(executions: readonly CarriedExecution[], earlier: number): void {
    this.executions = executions.map((e) => ({ ...e, row: rowOf(e.address, e.agent, e.status) }));
    this.earlier = earlier;
    this.show();
  }
}

function rowOf(address: string, agent: string, status: string): string {
  return `\n| ${address} | ${agent} | ${status} |`;
}
