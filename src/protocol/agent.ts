import { z } from 'zod';
import type { ContextWrite } from './context';
import type { FailureCode } from './failures';
import type { Json, Value } from './json';

export const AgentName = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,63}$/, 'must be lower-case letters, digits and dashes, at most 64 characters');
export type AgentName = z.infer<typeof AgentName>;

const SemVer = z
  .string()
  .regex(/^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$/, 'must be a semantic version such as 1.0.0');

/** What an agent may take. Time in milliseconds, sizes in bytes. */
export const AgentLimits = z.strictObject({
  timeoutMs: z.int().min(100).max(86_400_000).default(300_000),
  outputBytes: z
    .int()
    .min(1)
    .max(8 * 1024 * 1024)
    .default(1024 * 1024),
});
export type AgentLimits = z.infer<typeof AgentLimits>;

const schema = z.custom<z.ZodType>((value) => value instanceof z.ZodType, 'must be a zod schema');

/** An agent's static description. The loader validates it; the catalogue stores it with JSON Schemas in place of zod. */
export const AgentManifest = z.strictObject({
  name: AgentName,
  version: SemVer,
  description: z.string().min(1).max(500),
  agentType: z.enum(['react', 'evaluator', 'custom']).default('custom'),
  capabilities: z.array(z.string().min(1).max(100)).max(50).default([]),
  /** Schema of the step's `input`. Without one, a step may not carry any. */
  input: schema.optional(),
  output: schema,
  limits: AgentLimits.prefault({}),
});
export type AgentManifest = z.infer<typeof AgentManifest>;
/** What an author writes: defaults may be left out. */
export type AgentManifestInput = z.input<typeof AgentManifest>;

/** An agent as the catalogue and a run's pinned roster know it. */
export interface AgentVersion {
  readonly name: AgentName;
  readonly version: string;
  readonly agentType: string;
  readonly capabilities: readonly string[];
  readonly timeoutMs: number;
  /** Of an agent that the tenant defined as data: which version of its definition. */
  readonly defined?: number | undefined;
}

export const AGENT_STATUSES = [
  'waiting',
  'running',
  'retrying',
  'asleep',
  'completed',
  'failed',
  'skipped',
  'cancelled',
] as const;
export type AgentStatus = (typeof AGENT_STATUSES)[number];

/** One member of a run's roster, as the `roster` query answers it. */
export interface AgentInfo {
  readonly name: AgentName;
  readonly agentType: string;
  readonly capabilities: readonly string[];
  readonly status: 'idle' | 'busy' | 'failed';
  /** ISO 8601; the workflow knows when it last heard of the member, PostgreSQL knows the last heartbeat. */
  readonly lastHeartbeat: string | null;
  readonly messageCount: number;
}

/** What model calls took, failed ones included. A sum is null once any part of it is unknown. */
export interface Usage {
  readonly modelCalls: number;
  readonly inputTokens: number | null;
  readonly outputTokens: number | null;
  /** Of the input tokens, those served from the provider's cache. */
  readonly cachedInputTokens: number | null;
  readonly reasoningTokens: number | null;
  /** Micro-dollars. */
  readonly costMicros: number | null;
}

/** What an agent does beyond its output, applied when its turn completes. */
export interface Effects {
  readonly context: readonly ContextWrite[];
  /** To the namespace that is its own; read from its rows, never by the workflow. */
  readonly private?: readonly ContextWrite[] | undefined;
}

/** What one agent execution brings back to the workflow. Large parts are references. */
export interface AgentResult {
  readonly agentRunId: string;
  readonly output: Value;
  readonly effects: Effects;
  readonly usage: Usage;
  /** What the plan's predicates ask of the blobs in it: by SHA-256, then by JSON pointer. */
  readonly facts?: { readonly [blob: string]: { readonly [pointer: string]: Json } } | undefined;
  /** The run's row has ended with it. */
  readonly runEnded?: true | undefined;
}

/** A step that finally failed, and what was done instead. `agent` is the agent's name, or the type of a composite step. */
export interface Degradation {
  readonly address: string;
  readonly agent: string;
  readonly code: FailureCode;
  readonly message: string;
  readonly instead: 'failed' | 'skipped' | 'fallback';
}
