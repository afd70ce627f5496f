import type { RetryPolicy } from '../protocol/plan/step-options';

/** Exponential backoff: 2 s, 4 s, 8 s, unless a step says otherwise. */
export const DEFAULT_RETRY = { maxAttempts: 4, initialIntervalMs: 2_000, maxIntervalMs: 8_000 } as const;

/** How long to wait after so many attempts, in milliseconds. */
export function retryPause(retry: RetryPolicy = {}, attempts: number): number {
  const initial = retry.initialIntervalMs ?? DEFAULT_RETRY.initialIntervalMs;
  const longest = Math.max(initial, retry.maxIntervalMs ?? DEFAULT_RETRY.maxIntervalMs);
  return Math.min(longest, initial * 2 ** (attempts - 1));
}
