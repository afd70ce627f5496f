import { AppError, type FailureCode } from '../protocol/failures';
import type { ModelUsage } from './port';

/** The failures a model provider can end in. */
export type ModelFailureCode = Extract<FailureCode, `MODEL_${string}`>;

/** Which model a failure or a reply is about. */
export interface ModelIdentity {
  readonly provider: string;
  readonly model: string;
}

interface ModelErrorOptions {
  readonly retryAfterMs?: number | undefined;
  /** What the failed call cost, where the provider said so before it failed. */
  readonly usage?: ModelUsage | undefined;
}

/** A failed model call: an AppError that knows which model failed and what the call cost. */
export class ModelError extends AppError {
  readonly provider: string;
  readonly model: string;
  readonly usage: ModelUsage | null;

  // No `cause`: what the SDKs throw holds headers and bodies, and those may hold the key or the prompt.
  constructor(
    override readonly code: ModelFailureCode,
    message: string,
    { provider, model, retryAfterMs, usage }: ModelIdentity & ModelErrorOptions,
  ) {
    super(code, `${provider} (${model}): ${message}`, retryAfterMs === undefined ? {} : { retryAfterMs });
    this.provider = provider;
    this.model = model;
    this.usage = usage ?? null;
  }
}

/** Usage of which nothing is known; unknown is not zero. */
export const UNKNOWN_USAGE: ModelUsage = {
  inputTokens: null,
  outputTokens: null,
  cachedInputTokens: null,
  cacheWriteTokens: null,
  reasoningTokens: null,
};

/** A token count as a provider sent it; anything but a whole number that is not negative is unknown. */
export function tokensOrNull(value: unknown): number | null {
  return Number.isSafeInteger(value) && Number(value) >= 0 ? Number(value) : null;
}
