import type { z } from 'zod';
import type { AgentManifestInput } from '../protocol/agent';
import type { BlobRef, Json } from '../protocol/json';
import type { ModelProvider } from '../llm/port';

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
  /** What came before, in plan order: earlier steps of the sequences around this one, or the branches to aggregate. */
  readonly previous: readonly PreviousAgentOutput[];
}

/** Logs one line; run, agent, attempt and tenant are already in it. */
export interface AgentLog {
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
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
  readonly context: {
    /** Reads a global key of the shared context; undefined where it is not set. */
    get(key: string): Promise<Json | undefined>;
    /** Takes effect when this turn completes, all or nothing. */
    set(key: string, value: Json): void;
  };
  readonly blobs: {
    read(ref: BlobRef): Promise<Uint8Array>;
  };
  /** Runs one tool call: told to the log and stopped with the agent. Whatever touches the world goes through it. */
  tool<T>(name: string, work: (signal: AbortSignal) => Promise<T>): Promise<T>;
  /** Tells Temporal that the agent is alive, and what it is doing. Sent by itself as well; call it in long loops. */
  heartbeat(note?: string): void;
}

/** A class an agent file exports: one static manifest, one method. */
export interface AgentClass {
  new (): BaseAgent;
  readonly manifest: AgentManifestInput;
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
