import { z } from 'zod';
import type { AgentResult, AgentStatus, AgentVersion, Degradation, Usage } from './agent';
import type { ContextRules } from './context';
import type { NewEvent } from './event';
import type { Failure } from './failures';
import type { Carried } from './carried';
import { type Json, JsonObject, type Value } from './json';
import { LIMITS } from './limits';
import type { MessageWanted } from './message';
import { PlanShorthand, Step, StoredPlanChoice } from './plan';

/** Created by the first migration; a client that names no tenant or project works here. */
export const LOCAL_TENANT_ID = '01900000-0000-7000-8000-000000000001';
export const DEFAULT_PROJECT_ID = '01900000-0000-7000-8000-000000000002';

export const RUN_STATUSES = ['queued', 'running', 'completed', 'failed', 'cancelled'] as const;
export type RunStatus = (typeof RUN_STATUSES)[number];

export const AGENT_RUN_STATUSES = ['running', 'completed', 'failed', 'cancelled'] as const;
export type AgentRunStatus = (typeof AGENT_RUN_STATUSES)[number];

/** What a caller asks for. `plan` may be the shorthand `{strategy, agents}`, or `{stored: {name, version}}`. */
export const RunRequest = z.strictObject({
  task: z.string().trim().min(1, 'must not be empty'),
  plan: z.union([PlanShorthand, StoredPlanChoice, Step]),
  /** Anything beside the task that agents need; files travel as blob references. */
  input: JsonObject.default({}),
  idempotencyKey: z.string().min(1).max(LIMITS.idempotencyKeyChars).optional(),
});
export type RunRequest = z.infer<typeof RunRequest>;
export type RunRequestInput = z.input<typeof RunRequest>;

/** What the run workflow is started with: small, pinned, never a transcript. */
export interface RunWorkflowInput {
  readonly schemaVersion: 1;
  readonly tenantId: string;
  readonly projectId: string;
  readonly runId: string;
  readonly task: Value;
  readonly input: Value;
  readonly plan: Step;
  readonly agents: readonly AgentVersion[];
  /** What predicates ask of task and input where those are blobs: by SHA-256, then by JSON pointer. */
  readonly facts?: FactsByBlob;
  /** What this run may do, where that is less than any run may. */
  readonly bounds?: RunBounds;
  /** The run that this one is a step of. */
  readonly parent?: ParentRun;
  /** Agent executions, child runs and timers after which the workflow continues as new. Default: 500. */
  readonly startsPerHistory?: number;
  /** Which of the orders the commands of one workflow task come in; a run keeps that of its beginning. Default: 1. */
  readonly commandOrder?: 2;
  /** Only where the workflow has continued as new. */
  readonly carried?: Carried;
}

export interface FactsByBlob {
  readonly [blob: string]: { readonly [pointer: string]: Json };
}

/** What a run may still do; a child run starts with what its parent has left. */
export interface RunBounds {
  /** Agent executions. */
  readonly executions: number;
  /** Runs inside runs. */
  readonly depth: number;
}

/** Where a child run stands in its parent. */
export interface ParentRun {
  readonly runId: string;
  readonly address: string;
}

/** The run workflow's own return value; the full result is read from PostgreSQL. */
export interface RunWorkflowResult {
  readonly runId: string;
  readonly status: RunStatus;
  readonly failure: Failure | null;
}

/** One agent execution in a run's result. */
export interface AgentOutcome {
  readonly address: string;
  readonly agent: string;
  readonly status: AgentStatus;
  readonly attempts: number;
  readonly usage: Usage | null;
  readonly failure: Failure | null;
}

/** What a finished run is. `output` is resolved: no references are left in it. */
export interface RunResult {
  readonly runId: string;
  readonly status: RunStatus;
  readonly output: Json;
  readonly failure: Failure | null;
  readonly degraded: readonly Degradation[];
  readonly agents: readonly AgentOutcome[];
  readonly usage: Usage;
  readonly startedAt: string | null;
  readonly endedAt: string | null;
}

/** An earlier agent's output, as a later agent's activity input names it: read from its row when it is wanted. */
export interface PreviousOutput {
  readonly address: string;
  readonly agent: string;
  /** Only where no row holds the output: a fallback value of the plan. */
  readonly output?: Value;
}

/** Which agent follows another, for certain, once that has brought a result. */
export interface NextAgent {
  readonly address: string;
  readonly agent: string;
  readonly version: string;
}

/** Input of the `executeAgent` activity: references and deltas only. */
export interface ExecuteAgentInput {
  readonly tenantId: string;
  readonly projectId: string;
  readonly runId: string;
  readonly address: string;
  /** From 1, which is also what holds where it is absent: how often the agent has lain down, and one. */
  readonly turn?: number;
  readonly agent: AgentVersion;
  readonly task: Value;
  readonly runInput: Value;
  readonly stepInput: Json;
  /** In a map: the entry, and its index from 0. */
  readonly item?: Value;
  readonly index?: number;
  /** The latest of what came before. */
  readonly previous: readonly PreviousOutput[];
  /** How many outputs came before those; the workflow answers with their addresses when it is asked. */
  readonly earlier?: number;
  /** Values above this size become blobs. Default: LIMITS.inlineValueBytes. */
  readonly inlineBytes?: number;
  /** Pointers that the plan's predicates ask for, of the output and of context keys. */
  readonly factsWanted?: AgentFactsWanted;
  /** What the plan says of keys of the context, where it says anything. */
  readonly contextRules?: ContextRules;
  readonly maxAttempts: number;
  /** Attempts that counted before this activity was scheduled; its own come on top. */
  readonly attemptsBefore: number;
  /** Events the workflow decided since the last activity returned; appended first, by key. */
  readonly events: readonly NewEvent[];
  /** The agent's result is the run's, and may end it. */
  readonly ends?: true;
  /** Whom the closing of its row may open as well. */
  readonly next?: NextAgent;
}

export interface AgentFactsWanted {
  readonly output: readonly string[];
  readonly context: { readonly [key: string]: readonly string[] };
}

/** Input of `settleAgent`: closes the row of an execution that will not be tried again, or adopts what the row holds. */
export interface SettleAgentInput {
  readonly tenantId: string;
  readonly runId: string;
  readonly address: string;
  readonly agent: AgentVersion;
  readonly status: 'failed' | 'cancelled';
  readonly failure: Failure;
  /** Where another attempt may help: the row stays open while fewer than these counted. */
  readonly maxAttempts?: number;
  readonly events: readonly NewEvent[];
}

/** What became of a settled execution: closed, complete after all, or open since too few attempts counted. */
export type SettledAgent =
  | { readonly outcome: 'closed' }
  | { readonly outcome: 'adopted'; readonly result: AgentResult }
  | { readonly outcome: 'unfinished'; readonly attempts: number };

/** Input of `finishRun`: the run's final state, and the decisions that no activity has carried yet. */
export interface FinishRunInput {
  readonly tenantId: string;
  readonly runId: string;
  readonly status: 'completed' | 'failed' | 'cancelled';
  readonly output: Value;
  readonly failure: Failure | null;
  readonly degraded: readonly Degradation[];
  readonly usage: Usage;
  readonly events: readonly NewEvent[];
  /** What was said in the run is in the log. */
  readonly busClosed?: true;
}

/** Input of `appendEvents`: decisions of the workflow that no activity is about to carry. */
export interface AppendEventsInput {
  readonly tenantId: string;
  readonly runId: string;
  readonly events: readonly NewEvent[];
}

/** Input of `acceptRun`: a child run to be, by its place in the parent; asked twice, the same run is meant. */
export interface AcceptRunInput {
  readonly tenantId: string;
  readonly projectId: string;
  readonly parent: ParentRun;
  readonly plan: Step;
  readonly agents: readonly AgentVersion[];
  readonly task: Value;
  readonly input: Value;
  readonly bounds: RunBounds;
  /** Decisions of the parent that no activity has carried yet. */
  readonly events: readonly NewEvent[];
}

/** A child run whose row is there. */
export interface AcceptedRun {
  readonly runId: string;
  readonly task: Value;
  readonly input: Value;
  readonly facts: FactsByBlob;
}

/** Input of `readRun`: how a child run stands, and its output in the form that the parent can hold. */
export interface ReadRunInput {
  readonly tenantId: string;
  readonly runId: string;
  readonly inlineBytes: number;
  readonly factsWanted: readonly string[];
}

/** A run as its row tells it. */
export interface RunReading {
  readonly status: RunStatus;
  readonly output: Value;
  readonly facts: FactsByBlob;
  readonly failure: Failure | null;
  readonly usage: Usage | null;
}

/** Input of `readList`: a list that lies in a blob, or in a part of one. */
export interface ReadListInput {
  readonly tenantId: string;
  readonly list: Value;
  /** Of a longer one nothing but its length is wanted. */
  readonly most: number;
  /** Pointers that predicates ask for in every entry. */
  readonly factsWanted: readonly string[];
}

/** How long a list is, null where there is none; and of every entry what was asked, by JSON pointer. */
export interface ListReading {
  readonly length: number | null;
  readonly facts: readonly { readonly [pointer: string]: Json }[];
}

/** Input of `lookForMessage`: what a step waits for, and the form in which the run can hold it. */
export interface LookForMessageInput {
  readonly tenantId: string;
  readonly runId: string;
  readonly address: string;
  readonly wanted: MessageWanted;
  /** Only messages after this one of the run's order. */
  readonly after: number;
  /** How long it waits, in milliseconds since 1970. */
  readonly untilMs: number;
  readonly inlineBytes: number;
  readonly factsWanted: readonly string[];
}

/** What came of a look: nothing yet, where it is empty. */
export interface MessageLook {
  readonly found?: { readonly seq: number; readonly output: Value; readonly facts: FactsByBlob };
}

/** Input of `lookIntoMailbox`: an agent that sleeps, the turn in which it lay down, and until when it waits. */
export interface LookIntoMailboxInput {
  readonly tenantId: string;
  readonly runId: string;
  readonly address: string;
  readonly member: string;
  readonly turn: number;
  readonly untilMs: number;
}

/** Input of `storeValues`: values that are too large together to be carried on. */
export interface StoreValuesInput {
  readonly tenantId: string;
  readonly runId: string;
  readonly values: readonly Json[];
  readonly factsWanted: readonly string[];
}

/** The same values by reference, in the same order, and what is known of them. */
export interface StoredValues {
  readonly values: readonly Value[];
  readonly facts: FactsByBlob;
}
