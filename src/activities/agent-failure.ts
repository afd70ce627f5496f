import { ApplicationFailure, CancelledFailure } from '@temporalio/activity';
import type { ActivityCancellationDetails } from '@temporalio/common';
import { AppError, FAILURES, type Failure } from '../protocol/failures';
import { LIMITS } from '../protocol/limits';
import { failureLine, wordsOf } from '../core/failure-line';

/** What an agent's error means, by the failure table; what is not ours is AGENT_FAILED. */
export function failureFrom(error: unknown): Failure {
  const ours = AppError.is(error);
  const name = error instanceof Error && !ours ? `${error.name}: ` : '';
  return {
    code: ours ? error.code : 'AGENT_FAILED',
    message: failureLine(name + wordsOf(error)),
  };
}

/** Whether what an agent threw can be looked at: it may be anything, even what throws when it is touched. */
export function isReadable(thrown: unknown): boolean {
  try {
    failureFrom(thrown);
    delayOf(thrown);
    return true;
  } catch {
    return false;
  }
}

/** The failure as Temporal's retry policy reads it: typed, retried or not, and when. */
export function applicationFailure(failure: Failure, error?: unknown): ApplicationFailure {
  const retryAfterMs = delayOf(error);
  return ApplicationFailure.create({
    type: failure.code,
    message: failure.message,
    nonRetryable: !FAILURES[failure.code].retry,
    ...(retryAfterMs === undefined ? {} : { nextRetryDelay: retryAfterMs }),
  });
}

/** An agent's own error may carry any number, or none: Temporal takes what makes a time. */
function delayOf(error: unknown): number | undefined {
  if (!AppError.is(error) || typeof error.retryAfterMs !== 'number') return undefined;
  const { retryAfterMs } = error;
  return retryAfterMs >= 0 ? Math.min(retryAfterMs, LIMITS.timeoutMs) : undefined;
}

/**
 * What it means that an attempt was told to stop. Unless somebody asked for a cancellation, it is the end of this attempt
 * and of nothing else: a worker that shuts down leaves the work to the next one, at once.
 */
export function cancellation(details: ActivityCancellationDetails | undefined): AppError {
  if (details?.cancelRequested) return new AppError('RUN_CANCELLED', 'Cancelled before it finished');
  const why = details?.workerShutdown ? 'its worker was stopped' : 'Temporal no longer waits for it';
  return new AppError('AGENT_LOST', `The attempt was given up: ${why}`, { retryAfterMs: 1 });
}

export function isCancelled(error: unknown): error is CancelledFailure {
  return error instanceof CancelledFailure;
}

/** An activity whose errors the workflow can tell apart, and is not retried where that cannot help. */
export function typed<I, O>(activity: (input: I) => Promise<O>): (input: I) => Promise<O> {
  return async (input) => {
    try {
      return await activity(input);
    } catch (error) {
      throw AppError.is(error) ? applicationFailure(failureFrom(error), error) : error;
    }
  };
}
