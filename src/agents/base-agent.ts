import type { z } from 'zod';
import type { AgentManifestInput } from '../protocol/agent';
import type { ModelChoice } from '../protocol/agent-definition';
import type { BlobRef, Json } from '../protocol/json';
import type { ModelProvider } from '../llm/port';
import type { MessageBus } from './message-bus';
import type { SharedContext } from './shared-context';

/** An earlier agent's output; `read` loads it when it is needed, so that large ones cost nothing unread. */
export interface PreviousAgentOutput {
  readonly agent: string;
  readonly address: string;
  read(): Promise<Json>;
}

/** What an agent is asked to do. */
export interface AgentTask {
  readonly text: string;
  /** The run's input: what the caller gave beside the task. */
  readonly input: Json;
  /** The step's own input, already parsed by the manifest's input schema. */
  readonly options: Json;
  /** In a map: the entry that this execution is there for, and its index from 0. */
  readonly item?: Json;
  readonly index?: number;
  /**
   * What came before, in plan order: earlier steps of the sequences around this one, or the branches to aggregate.
   * The latest of it where there is much; then `earlier` reads what came before that.
   */
  readonly previous: readonly PreviousAgentOutput[];
  readonly earlier?: () => Promise<readonly PreviousAgentOutput[]>;
  /** What the agent left when it lay down in a long wait: it goes on from there. Absent in its first turn. */
  readonly checkpoint?: Json;
}

/** Logs one line; run, agent, attempt and tenant are already in it. */
export interface AgentLog {
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
}

/** What a tool call does to the world: nothing, the same however often it is made, or something each time it is made. */
export type SideEffects = 'none' | 'idempotent' | 'dangerous';

/** One tool call as the ledger knows it: same agent run, step, tool and arguments = the same call, in every attempt. */
export interface ToolUse {
  readonly name: string;
  readonly arguments: Json;
  /** Where in the agent's work the call stands, such as `3.1`: the third model turn's first call. */
  readonly step: string;
  readonly sideEffects: SideEffects;
  /** Then TOOL_TIMEOUT; 60 s unless told. */
  readonly timeoutMs?: number;
  /** Bytes of the result's JSON, beyond which the call fails with TOOL_RESULT_TOO_LARGE; 1 MiB unless told. */
  readonly resultBytes?: number;
  /** Asks the world what became of a call whose outcome was lost. */
  readonly reconcile?: (run: ToolRun) => Promise<Reconciled>;
}

/** What became of a call whose outcome was lost. */
export type Reconciled =
  | { readonly happened: true; readonly result: Json }
  | { readonly happened: false }
  | 'unknown';

/** One execution of a tool call. */
export interface ToolRun {
  /** Aborted with the agent, and at the call's time limit. */
  readonly signal: AbortSignal;
  /** The call's key in the ledger, the same in every attempt: hand it to services that take one. */
  readonly idempotencyKey: string;
}

/** What an agent run wrote down of its own work, so that a later attempt goes on where an earlier one ended. */
export interface Journal {
  /** What this agent run's earlier attempts (and this one) appended, in order. */
  read(): Promise<readonly Json[]>;
  /** Durable when it resolves. Throws ATTEMPT_FENCED. */
  append(entry: Json): Promise<void>;
}

/** What the operator of the worker opens to tools. */
export interface ToolHost {
  /** The one folder that tools may read files in; none where it is not set. */
  readonly filesRoot?: string;
  /**
   * Hosts that tools may call: `api.example.com`, `127.0.0.1:8080`, `*.example.com`, or `*` for every public one, which is
   * also what holds where it is not set. Only an entry that names a host in full may stand for a private address.
   */
  readonly allowHosts?: readonly string[];
}

/** Everything an agent may touch. Rights follow from the agent run, never from an argument. */
export interface AgentContext {
  readonly runId: string;
  readonly agentRunId: string;
  readonly attempt: number;
  /** Aborted on cancellation, timeout and shutdown; pass it on to whatever waits. */
  readonly signal: AbortSignal;
  readonly model: ModelProvider;
  readonly log: AgentLog;
  /** What the agents of this run share. */
  readonly context: SharedContext;
  readonly blobs: {
    read(ref: BlobRef): Promise<Uint8Array>;
  };
  /** How members of the run talk to each other. An agent that never touches it costs nothing by it. */
  readonly bus: MessageBus;
  /** What this worker opens to tools. */
  readonly host: ToolHost;
  /** What earlier attempts of this agent run wrote down, and what this one does. */
  readonly journal: Journal;
  /**
   * Makes one tool call, once: a call whose outcome the ledger knows is answered from it. Whatever touches the world goes
   * through it. A failure INPUT_* or TOOL_FAILED is an outcome too; any other throw leaves open what became of the call.
   */
  tool(use: ToolUse, work: (run: ToolRun) => Promise<Json>): Promise<Json>;
  /** Tells Temporal that the agent is alive, and what it is doing. Sent by itself as well; call it in long loops. */
  heartbeat(note?: string): void;
}

/** A class an agent file exports: one static manifest, one method. */
export interface AgentClass {
  new (): BaseAgent;
  readonly manifest: AgentManifestInput;
  /** The model it asks for in place of the worker's own. */
  readonly model?: ModelChoice | undefined;
}

/** Marks agent classes, so that the loader knows them where a plugin brings its own copy of this package. */
export const AGENT_BRAND: unique symbol = Symbol.for('ensemble.agent');

/**
 * An agent. Subclass it in a file of its own under src/agents (or a configured folder), with `static readonly manifest`.
 * Throw an AppError for a typed failure; any other error is AGENT_FAILED and is retried.
 */
export abstract class BaseAgent<Output = unknown> {
  static readonly [AGENT_BRAND] = true;

  /** Must return what the manifest's output schema accepts. */
  abstract execute(task: AgentTask, context: AgentContext): Promise<Output>;
}

/** Output type of a zod schema, for `class MyAgent extends BaseAgent<OutputOf<typeof Report>>`. */
export type OutputOf<S extends z.ZodType> = z.infer<S>;
