import type { AgentResult, AgentVersion, Degradation, Usage } from '../protocol/agent';
import type { EventType, NewEvent } from '../protocol/event';
import type { Json, JsonObject, Value } from '../protocol/json';
import type { RunStatus, RunWorkflowInput } from '../protocol/run';
import { applyWrites, type SharedContext } from '../core/context';
import { Roster } from '../core/roster';
import { addUsage, NO_USAGE } from '../core/usage';
import { fail } from './failure';

/** One agent execution as the workflow sees it; attempts are known to PostgreSQL only. */
export interface Execution {
  readonly address: string;
  readonly agent: string;
  status: 'running' | 'completed' | 'failed' | 'skipped' | 'fell back' | 'cancelled';
}

/** What the workflow knows of its run. Nothing in it grows with messages or transcripts. */
export class RunState {
  status: RunStatus = 'running';
  usage: Usage = NO_USAGE;
  readonly degraded: Degradation[] = [];
  readonly executions: Execution[] = [];
  readonly roster: Roster;
  private context: SharedContext;
  private pending: readonly NewEvent[] = [];

  constructor(readonly input: RunWorkflowInput) {
    this.roster = new Roster(input.agents);
    this.context = applyWrites(
      new Map(),
      [
        { op: 'set', key: 'task', value: input.task },
        { op: 'set', key: 'run_id', value: { inline: input.runId } },
        { op: 'set', key: 'status', value: { inline: this.status } },
      ],
      'run',
    );
  }

  /** The pinned version of an agent; a plan that was accepted names no other. */
  agent(name: string): AgentVersion {
    const pinned = this.input.agents.find((agent) => agent.name === name);
    return pinned ?? fail('AGENT_UNKNOWN', `The run has no pinned version of agent "${name}"`);
  }

  /** Values of global keys by name; one key where it is asked for. */
  readContext(key?: string): Record<string, Value> {
    const entries = [...this.context].filter(([name]) => key === undefined || name === key);
    return Object.fromEntries(entries.map(([name, { value }]) => [name, value]));
  }

  /** Applies everything a completed turn did, in the workflow task that sees it: nothing half, nothing twice. */
  applyTurn(execution: Execution, result: AgentResult): void {
    execution.status = 'completed';
    this.usage = addUsage(this.usage, result.usage);
    const output = { op: 'set', key: `outputs.${execution.agent}`, value: result.output } as const;
    this.context = applyWrites(this.context, [...result.effects.context, output], execution.agent);
    const keys = result.effects.context.map(({ key }) => key);
    if (keys.length > 0) this.note('context.changed', execution, { keys });
  }

  setStatus(status: RunStatus): void {
    this.status = status;
    this.context = applyWrites(
      this.context,
      [{ op: 'set', key: 'status', value: { inline: status } }],
      'run',
    );
  }

  degrade(degradation: Degradation): void {
    this.degraded.push(degradation);
    const { address, agent, code, message, instead } = degradation;
    if (instead === 'failed') return;
    const type: EventType = instead === 'skipped' ? 'agent.skipped' : 'agent.fell-back';
    this.note(type, { address, agent }, { code, message });
  }

  /** A decision of the workflow: it rides in every activity scheduled from now on, until one that carried it returns. */
  note(type: EventType, at: { address: string; agent: string }, data: JsonObject): void {
    const key = `${type}:${at.address}`;
    this.pending = [...this.pending, { key, type, address: at.address, agent: at.agent, data }];
  }

  pendingEvents(): readonly NewEvent[] {
    return this.pending;
  }

  /** An activity that carried these has returned: they are in the log. */
  delivered(events: readonly NewEvent[]): void {
    const keys = new Set(events.map(({ key }) => key));
    this.pending = this.pending.filter(({ key }) => !keys.has(key));
  }

  planView(): Json {
    return { plan: this.input.plan as unknown as Json, executions: this.executions.map((e) => ({ ...e })) };
  }
}
