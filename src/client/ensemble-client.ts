import type { RunEvent } from '../protocol/event';
import type { AgentInfo } from '../protocol/agent';
import type { AgentDefinition, AgentDefinitionInput } from '../protocol/agent-definition';
import type { ContextChange } from '../protocol/context';
import type { BlobRef, Json } from '../protocol/json';
import type { ModelCallRecord } from '../protocol/model-call';
import type { PlanShorthand, Step } from '../protocol/plan';
import type { RunRequestInput, RunResult, RunStatus } from '../protocol/run';
import type { TokenChunk } from '../protocol/token';
import type { ToolCallInfo, ToolCallResolution } from '../protocol/tool-call';

/** A run that was accepted: its row is durable and its workflow exists. */
export interface StartedRun {
  readonly runId: string;
  readonly workflowId: string;
  /** False where the idempotency key had already started this run. */
  readonly created: boolean;
}

export interface RunSummary {
  readonly runId: string;
  readonly status: RunStatus;
  readonly task: string;
  readonly createdAt: string;
  readonly endedAt: string | null;
}

export interface EventOptions {
  /** Yield events after this sequence number; 0 from the beginning. */
  readonly after?: number;
  readonly signal?: AbortSignal;
}

/** One call to a model, and whose it was. `at`: when it had ended, ISO 8601. */
export interface ModelCallInfo extends ModelCallRecord {
  readonly id: string;
  readonly agentRunId: string;
  readonly address: string;
  readonly agent: string;
  readonly at: string;
}

export interface TokenOptions {
  /** Yield chunks after this `seq`; 0 from the beginning. */
  readonly after?: number;
  readonly signal?: AbortSignal;
}

export interface HistoryOptions {
  /** Only changes of later versions; 0 from the beginning. */
  readonly after?: number;
  /** At most 100. */
  readonly limit?: number;
}

/** What was saved under a name: a new version, or the one that held the same already. */
export interface SavedVersion {
  readonly name: string;
  readonly version: number;
  readonly created: boolean;
}

/** One version of an agent that the tenant defined as data. Times are ISO 8601. */
export interface DefinedAgent {
  readonly name: string;
  readonly version: number;
  readonly definition: AgentDefinition;
  readonly createdAt: string;
  /** Since then no new run pins it; runs that have pinned it go on. */
  readonly retiredAt: string | null;
}

/** Agents as data: no code, no deploy. A version never changes; a run pins the newest when it is accepted. */
export interface DefinedAgents {
  /** Saves a definition; the same again is the same version. Throws INPUT_INVALID with every problem at once. */
  define(definition: AgentDefinitionInput): Promise<SavedVersion>;
  /** The newest version of each that is not retired, by name. */
  list(): Promise<readonly DefinedAgent[]>;
  /** That version, retired or not; without one, the newest that is not retired. Throws AGENT_UNKNOWN. */
  get(name: string, version?: number): Promise<DefinedAgent>;
  /** Takes every version of the name from new runs. Throws AGENT_UNKNOWN. */
  retire(name: string): Promise<void>;
}

/** One version of a stored plan. */
export interface StoredPlanInfo {
  readonly name: string;
  readonly version: number;
  readonly plan: Step;
  readonly createdAt: string;
}

/** Plans under names, for the requests and `run` steps that name them. A version never changes. */
export interface StoredPlans {
  /** Checks and saves a plan; the same again is the same version. Throws PLAN_*, AGENT_UNKNOWN, INPUT_*, every problem at once. */
  save(name: string, plan: PlanShorthand | Step): Promise<SavedVersion>;
  /** The newest version of each, by name. */
  list(): Promise<readonly StoredPlanInfo[]>;
  /** That version, or the newest. Throws PLAN_UNKNOWN. */
  get(name: string, version?: number): Promise<StoredPlanInfo>;
}

/** What callers can do with teams of agents, over whichever way it is carried. Every failure is an AppError. */
export interface EnsembleClient extends AsyncDisposable {
  /** Agents that are defined as data. */
  readonly agents: DefinedAgents;
  /** Plans that are kept under names. */
  readonly plans: StoredPlans;
  /** Starts a run; returns only when it is durable. Throws INPUT_*, PLAN_*, AGENT_UNKNOWN, IDEMPOTENCY_CONFLICT. */
  start(request: RunRequestInput): Promise<StartedRun>;
  /** Starts a run and waits for its result, whatever its status. */
  run(request: RunRequestInput): Promise<RunResult>;
  /** Waits for a run to end. Throws RUN_UNKNOWN. */
  result(runId: string): Promise<RunResult>;
  /** A run as it stands now, finished or not. Throws RUN_UNKNOWN. */
  describe(runId: string): Promise<RunResult>;
  /** The run's story from a cursor on, every event once and in order; ends after the run's last. */
  events(runId: string, options?: EventOptions): AsyncIterable<RunEvent>;
  /**
   * What the run's models are saying, from a cursor on, each chunk once; ends with the run. Kept for an hour after that.
   * A `reset` voids what its call, or with call 0 what earlier attempts of its agent run, had streamed.
   */
  tokens(runId: string, options?: TokenOptions): AsyncIterable<TokenChunk>;
  /** Every call to a model, failed ones included, with what it took. Throws RUN_UNKNOWN. */
  modelCalls(runId: string): Promise<readonly ModelCallInfo[]>;
  /** Every tool call in the ledger. Throws RUN_UNKNOWN. */
  toolCalls(runId: string): Promise<readonly ToolCallInfo[]>;
  /**
   * Says what became of a tool call whose outcome was lost, by whoever found it out; later attempts are told so. Throws
   * INPUT_*, RUN_UNKNOWN, and IDEMPOTENCY_CONFLICT where an outcome is known, or the call is being made right now.
   */
  resolveToolCall(runId: string, key: string, resolution: ToolCallResolution, by: string): Promise<void>;
  /** One agent execution's output, by its address in the plan; undefined where there is none yet. */
  output(runId: string, address: string): Promise<Json | undefined>;
  /** What happened to a key of the run's shared context, oldest first, in pages of 100. Throws INPUT_INVALID, RUN_UNKNOWN. */
  contextHistory(runId: string, key: string, options?: HistoryOptions): Promise<readonly ContextChange[]>;
  /** Asks the running workflow. `context` answers with global keys. */
  query(runId: string, what: 'context' | 'plan'): Promise<Json>;
  query(runId: string, what: 'roster'): Promise<readonly AgentInfo[]>;
  /** Sends a signal to the run's workflow, as any Temporal client may. */
  signal(runId: string, name: string, ...args: readonly Json[]): Promise<void>;
  /** Asks the run to stop; its agents are told, its partial results stay. */
  cancel(runId: string): Promise<void>;
  /** Newest first. */
  list(options?: { readonly limit?: number }): Promise<readonly RunSummary[]>;
  /** Keeps bytes for runs to refer to; the same bytes give the same reference. */
  upload(bytes: Uint8Array, mediaType: string): Promise<BlobRef>;
  /** Resolves when PostgreSQL and Temporal both answer. */
  ready(): Promise<void>;
}
