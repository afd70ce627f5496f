import type { Failure } from './failures';

/** One call to a model, successful or not, as rows and reports carry it. What is not known is null, never zero. */
export interface ModelCallRecord {
  readonly provider: string;
  readonly model: string;
  /** Attempt of the agent run that made the call. */
  readonly attempt: number;
  readonly inputTokens: number | null;
  readonly outputTokens: number | null;
  readonly cachedInputTokens: number | null;
  readonly reasoningTokens: number | null;
  /** Null where the answer was not streamed. */
  readonly firstTokenMs: number | null;
  readonly durationMs: number;
  /** Micro-dollars, rounded up; null where a price or a count is unknown. */
  readonly costMicros: number | null;
  /** Date of the price list that was used. */
  readonly pricesOf: string | null;
  readonly failure: Failure | null;
}
