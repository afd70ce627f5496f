import type { RunEvent } from '../protocol/event';
import type { AgentInfo } from '../protocol/agent';
import type { BlobRef, Json } from '../protocol/json';
import type { ModelCallRecord } from '../protocol/model-call';
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

/** What callers can do with teams of agents, over whichever way it is carried. Every failure is an AppError. */
export interface EnsembleClient extends AsyncDisposable {
  /** Starts a run; returns only when it is durable. Throws INPUT_*, PLAN_INVALID, IDEMPOTENCY_CONFLICT. */
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
