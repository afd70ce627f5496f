import type { AgentResult, AgentVersion, Degradation, Usage } from '../protocol/agent';
import type { AgentDefinition } from '../protocol/agent-definition';
import type { ImmediateWrite } from '../protocol/context';
import type { RunEvent } from '../protocol/event';
import type { Failure } from '../protocol/failures';
import type { Json, JsonObject, Value } from '../protocol/json';
import type { ModelCallRecord } from '../protocol/model-call';
import type { Step } from '../protocol/plan';
import type { AgentRunStatus, RunBounds, RunStatus } from '../protocol/run';
import type { ToolCallInfo } from '../protocol/tool-call';

/** How urgent a message is, lowest first. */
export const MESSAGE_PRIORITIES = ['low', 'normal', 'high', 'urgent'] as const;
export type MessagePriority = (typeof MESSAGE_PRIORITIES)[number];

/** What became of a message. */
export const MESSAGE_STATUSES = ['accepted', 'delivered', 'dead-lettered'] as const;
export type MessageStatus = (typeof MESSAGE_STATUSES)[number];

/** A run as PostgreSQL keeps it. Times are ISO 8601 by the database's clock. */
export interface RunRow {
  readonly id: string;
  readonly tenantId: string;
  readonly projectId: string;
  readonly status: RunStatus;
  readonly task: Value;
  readonly input: Value;
  readonly plan: Step;
  readonly agents: readonly AgentVersion[];
  readonly idempotencyKey: string | null;
  readonly requestHash: string;
  /** Of a child run: the run that it is a step of, and which. */
  readonly parentRunId: string | null;
  readonly parentAddress: string | null;
  readonly bounds: RunBounds | null;
  readonly result: Value | null;
  readonly failure: Failure | null;
  readonly degraded: readonly Degradation[];
  readonly usage: Usage | null;
  readonly lastEventSeq: number;
  readonly createdAt: string;
  readonly startedAt: string | null;
  readonly endedAt: string | null;
  readonly updatedAt: string;
}

/** A run as a list shows it. */
export type RunSummary = Pick<
  RunRow,
  'id' | 'projectId' | 'status' | 'task' | 'failure' | 'createdAt' | 'startedAt' | 'endedAt'
>;

/** An attempt that failed or was lost. Attempts that completed are not among them. */
export interface AttemptRow {
  readonly attempt: number;
  readonly failure: Failure;
  readonly willRetry: boolean;
  readonly worker: string | null;
  readonly startedAt: string | null;
  readonly endedAt: string;
}

/** One agent execution of a run as PostgreSQL keeps it, with every attempt of it that failed. */
export interface AgentRunRow {
  readonly id: string;
  readonly tenantId: string;
  readonly runId: string;
  readonly address: string;
  readonly agent: string;
  readonly version: string;
  readonly status: AgentRunStatus;
  /** 0 where it was closed without ever having been opened. */
  readonly attempt: number;
  readonly worker: string | null;
  readonly startedAt: string | null;
  readonly endedAt: string | null;
  readonly result: AgentResult | null;
  readonly failure: Failure | null;
  readonly usage: Usage | null;
  readonly attempts: readonly AttemptRow[];
}

/** What the catalogue keeps of a loaded agent. `manifest` holds JSON Schemas where the class has zod. */
export interface CatalogueAgent {
  readonly name: string;
  readonly version: string;
  readonly agentType: string;
  readonly capabilities: readonly string[];
  readonly manifest: JsonObject;
}

/** A catalogued agent, and when a worker last said that it has it. */
export interface CatalogueRow extends CatalogueAgent {
  readonly lastSeenAt: string;
}

/** One message between agents: exactly one target and one of the two contents is set. */
export interface MessageRow {
  readonly id: string;
  readonly tenantId: string;
  readonly runId: string;
  readonly fromAgent: string;
  readonly toAgent: string | null;
  readonly topic: string | null;
  readonly broadcast: boolean;
  readonly type: string;
  readonly priority: MessagePriority;
  readonly correlationId: string | null;
  readonly replyTo: string | null;
  readonly content: Json;
  readonly contentRef: Json;
  readonly status: MessageStatus;
  readonly createdAt: string;
  readonly updatedAt: string;
}

/** An event's row: the event and whose it is. */
export interface EventRow extends RunEvent {
  readonly tenantId: string;
}

/** One tool call as the ledger keeps it, its values by reference where they are large. */
export interface ToolCallRow extends Omit<ToolCallInfo, 'arguments' | 'result'> {
  readonly runId: string;
  readonly arguments: Value;
  readonly result: Value | null;
  readonly unknownAt: string | null;
}

/** One entry of an agent run's journal, numbered from 1 without a gap. */
export interface JournalRow {
  readonly agentRunId: string;
  readonly seq: number;
  readonly attempt: number;
  readonly entry: Value;
  readonly at: string;
}

/** One write to a shared context that left at once, numbered from 1 within its agent run without a gap. */
export interface ContextWriteRow {
  readonly agentRunId: string;
  readonly number: number;
  readonly attempt: number;
  readonly write: ImmediateWrite;
  readonly at: string;
}

/** One call to a model, and whose it was. `at` is when it had ended, by the database's clock. */
export interface ModelCallRow extends ModelCallRecord {
  readonly id: string;
  readonly runId: string;
  readonly agentRunId: string;
  readonly address: string;
  readonly agent: string;
  readonly at: string;
}

/** One version of an agent that a tenant defined as data. */
export interface AgentDefinitionRow {
  readonly name: string;
  readonly version: number;
  readonly definition: AgentDefinition;
  readonly createdAt: string;
  /** Since then no new run pins it. */
  readonly retiredAt: string | null;
}

/** One version of a plan that a project keeps. */
export interface StoredPlanRow {
  readonly name: string;
  readonly version: number;
  readonly plan: Step;
  readonly createdAt: string;
}
