import type { z } from 'zod';
import type { Json, JsonObject } from '../protocol/json';

/**
 * The provider's own record of one of its turns (encrypted reasoning, thinking signatures).
 * Hand it back unchanged with that turn; every other provider ignores it.
 */
export interface ProviderState {
  readonly provider: string;
  /** The model that made it, where no other model of the provider takes it. */
  readonly model?: string;
  readonly items: Json;
}

/** One turn of a conversation as every provider understands it. */
export type ModelMessage =
  | { readonly role: 'user'; readonly text: string }
  | {
      readonly role: 'assistant';
      readonly text: string;
      readonly toolCalls?: readonly ToolCall[];
      readonly state?: ProviderState;
    }
  | { readonly role: 'tool'; readonly toolCallId: string; readonly text: string; readonly failed?: boolean };

/** A tool the model wants called. */
export interface ToolCall {
  readonly id: string;
  readonly name: string;
  /** Parsed JSON; what could not be parsed arrives as `{ malformed: <text> }`. */
  readonly arguments: Json;
}

/** A tool as the model is told of it. `parameters` is a JSON Schema of an object. */
export interface ToolDeclaration {
  readonly name: string;
  readonly description: string;
  readonly parameters: JsonObject;
}

/** The shape an answer must have; `name` is what the provider is told it is called. */
export interface AnswerSchema {
  readonly name: string;
  readonly type: z.ZodType;
}

/** What a model is asked. */
export interface ModelRequest {
  readonly system?: string;
  readonly messages: readonly ModelMessage[];
  readonly tools?: readonly ToolDeclaration[];
  /** `none` keeps the tools declared, which a conversation that already used them needs, and forbids another call. */
  readonly toolChoice?: 'auto' | 'none' | 'required';
  /** Ask for JSON of this shape; the reply's `text` is then that JSON. Validate it, or let `invokeStructured` do so. */
  readonly schema?: AnswerSchema;
  readonly maxOutputTokens?: number;
  /** A wish: models that reason by themselves do not take one, and are not sent it. */
  readonly temperature?: number;
}

/** Tokens as the provider reported them; null where it did not. */
export interface ModelUsage {
  readonly inputTokens: number | null;
  readonly outputTokens: number | null;
  /** Of the input tokens, those served from the provider's cache. */
  readonly cachedInputTokens: number | null;
  /** Of the input tokens, those written to the provider's cache, which some providers charge for apart. */
  readonly cacheWriteTokens?: number | null;
  readonly reasoningTokens: number | null;
}

/** Why the model stopped. A refusal is not among them: it is the failure MODEL_REFUSED. */
export type FinishReason = 'stop' | 'tool-calls' | 'length';

/** A whole answer. */
export interface ModelReply {
  readonly provider: string;
  /** The model that answered, as the provider names it. */
  readonly model: string;
  readonly text: string;
  readonly toolCalls: readonly ToolCall[];
  readonly finishReason: FinishReason;
  readonly usage: ModelUsage;
  readonly state?: ProviderState;
}

/** One step of a streamed answer. */
export type ModelChunk =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'reasoning'; readonly text: string }
  | {
      readonly type: 'tool-call';
      readonly id: string;
      readonly name: string;
      readonly argumentsDelta: string;
    }
  | { readonly type: 'end'; readonly reply: ModelReply };

/** Bounds of one call. */
export interface CallOptions {
  readonly signal?: AbortSignal;
  /** Bound of this one HTTP call, from sending the request to the last byte of the answer. */
  readonly timeoutMs?: number;
  /** Bound of the silence between two bytes of a streamed answer. */
  readonly idleTimeoutMs?: number;
}

/**
 * What every model provider must do. Implementations live in ./providers and pass test/llm/conformance.
 * Failures are AppErrors with a MODEL_* code; the one retry is Temporal's, so no implementation retries.
 * A call aborted by its signal rejects with the signal's reason, not with a model failure.
 */
export interface ModelProvider {
  readonly name: string;
  readonly model: string;
  invoke(request: ModelRequest, options?: CallOptions): Promise<ModelReply>;
  /** Yields deltas and ends with exactly one `end` chunk that carries the whole reply. */
  invokeStreaming(request: ModelRequest, options?: CallOptions): AsyncIterable<ModelChunk>;
  /** Input tokens of the request; an estimate where the provider offers no count. */
  countTokens(request: ModelRequest, options?: CallOptions): Promise<number>;
  /** What the server behind the provider takes, by name; asked by tiny requests where it is not known yet. */
  capabilities?(options?: CallOptions): Promise<Readonly<Record<string, boolean>>>;
  /** Proves that the provider answers and takes the key, without spending a token. */
  check?(options?: CallOptions): Promise<void>;
}
