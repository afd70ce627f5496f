import { ApplicationFailure, CancelledFailure } from '@temporalio/activity';
import type { ActivityCancellationDetails } from '@temporalio/common';
import { AppError, FAILURES, type Failure } from '../protocol/failures';
import { storable } from '../core/text';

/** Longest message kept of a failure: rows, events and histories carry it, people read one line of it. */
const MESSAGE_CHARS = 1_000;

/** What an agent's error means, by the failure table; what is not ours is AGENT_FAILED. */
export function failureFrom(error: unknown): Failure {
  if (AppError.is(error)) return { code: error.code, message: oneLine(error.message) };
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return { code: 'AGENT_FAILED', message: oneLine(message) };
}

/** The failure as Temporal's retry policy reads it: typed, retried or not, and when. */
export function applicationFailure(failure: Failure, error?: unknown): ApplicationFailure {
  const retryAfterMs = AppError.is(error) ? error.retryAfterMs : undefined;
  return ApplicationFailure.create({
    type: failure.code,
    message: failure.message,
    nonRetryable: !FAILURES[failure.code].retry,
    ...(retryAfterMs === undefined ? {} : { nextRetryDelay: retryAfterMs }),
  });
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

function oneLine(message: string): string {
  const line = message.replaceAll(/\s+/g, ' ').trim();
  const short = line.length > MESSAGE_CHARS ? `${line.slice(0, MESSAGE_CHARS)}...` : line;
  // What a failure says must not keep the failure from being stored.
  return JSON.parse(storable(JSON.stringify(short))) as string;
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
