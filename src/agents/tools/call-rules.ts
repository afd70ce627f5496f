import { createHash } from 'node:crypto';
import stringify from 'safe-stable-stringify';
import { storable } from '../../core/text';
import { AppError } from '../../protocol/failures';
import type { Json } from '../../protocol/json';
import type { ToolRun, ToolUse } from '../base-agent';

const DEFAULT_TIMEOUT_MS = 60_000;
const DEFAULT_RESULT_BYTES = 1024 * 1024;

/** Where a tool call is known in the ledger: the same call has the same key in every attempt. SHA-256 in lower-case hex. */
export function toolCallKey(
  { runId, agentRunId }: { readonly runId: string; readonly agentRunId: string },
  use: ToolUse,
): string {
  const identity = [runId, agentRunId, use.step, use.name, use.arguments];
  return createHash('sha256')
    .update(String(stringify(identity)))
    .digest('hex');
}

/** Whether a failure tells what became of the call, so that it is kept like a result. */
export function isOutcome(error: unknown): error is AppError {
  return AppError.is(error) && (error.code.startsWith('INPUT_') || error.code === 'TOOL_FAILED');
}

/** Whether a failure is kept: a result that is too large was a result, and making the call again would change nothing. */
export function isKept(error: unknown): error is AppError {
  return isOutcome(error) || (AppError.is(error) && error.code === 'TOOL_RESULT_TOO_LARGE');
}

/**
 * Executes a call under its limits; the result is JSON that can be stored. Throws TOOL_TIMEOUT, TOOL_RESULT_TOO_LARGE, and
 * the reason of the agent's signal where the agent was stopped.
 */
export async function executeBounded(
  use: ToolUse,
  { signal: stopped, idempotencyKey }: ToolRun,
  work: (run: ToolRun) => Promise<Json>,
): Promise<Json> {
  stopped.throwIfAborted();
  const { timeoutMs = DEFAULT_TIMEOUT_MS } = use;
  const late = new AbortController();
  const timer = setTimeout(() => {
    const limit = `Tool ${use.name} did not finish within its limit of ${timeoutMs} ms`;
    late.abort(new AppError('TOOL_TIMEOUT', limit));
  }, timeoutMs);
  const signal = AbortSignal.any([stopped, late.signal]);
  let onAbort = (): void => undefined;
  try {
    const aborted = new Promise<never>((_, reject) => {
      onAbort = () => reject(signal.reason as Error);
      signal.addEventListener('abort', onAbort, { once: true });
    });
    return bounded(use, await Promise.race([work({ signal, idempotencyKey }), aborted]));
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
}

function bounded({ name, resultBytes = DEFAULT_RESULT_BYTES }: ToolUse, result: Json): Json {
  const text = JSON.stringify(result) as string | undefined;
  if (text === undefined) throw new AppError('TOOL_FAILED', `Tool ${name} returned what is not JSON`);
  const bytes = Buffer.byteLength(text);
  if (bytes > resultBytes) {
    const limit = `Tool ${name} returned ${bytes} bytes; its limit is ${resultBytes} (resultBytes)`;
    throw new AppError('TOOL_RESULT_TOO_LARGE', limit);
  }
  // A copy, so that this attempt sees what every later one will read.
  return JSON.parse(storable(text)) as Json;
}
