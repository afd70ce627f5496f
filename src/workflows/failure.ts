import { TimeoutType } from '@temporalio/common';
import {
  ActivityFailure,
  ApplicationFailure,
  ChildWorkflowFailure,
  TerminatedFailure,
  TimeoutFailure,
} from '@temporalio/workflow';
import { FAILURES, isFailureCode, type Failure, type FailureCode } from '../protocol/failures';

/** Ends the workflow. Any other thrown error would only fail the task and be retried for ever. */
export function fail(code: FailureCode, message: string): never {
  throw ApplicationFailure.create({ type: code, message, nonRetryable: !FAILURES[code].retry });
}

/** What a finally failed activity or child run means, by the failure table. */
export function failureOf(error: unknown): Failure {
  const outer = error instanceof ActivityFailure || error instanceof ChildWorkflowFailure;
  const cause = outer ? error.cause : error;
  if (cause instanceof TimeoutFailure) return timeoutOf(cause);
  if (cause instanceof TerminatedFailure)
    return { code: 'RUN_TERMINATED', message: 'The child run was closed from outside' };
  if (cause instanceof ApplicationFailure)
    return { code: isFailureCode(cause.type) ? cause.type : 'AGENT_FAILED', message: cause.message };
  return { code: 'INTERNAL', message: cause instanceof Error ? cause.message : String(cause) };
}

function timeoutOf(failure: TimeoutFailure): Failure {
  if (failure.timeoutType === TimeoutType.HEARTBEAT)
    return {
      code: 'AGENT_STALLED',
      message: 'No heartbeat for 15 s: the worker died or the agent blocked it',
    };
  return { code: 'AGENT_TIMEOUT', message: 'The agent did not finish within its time limit' };
}
