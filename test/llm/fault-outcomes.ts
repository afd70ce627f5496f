import type { FailureCode } from '../../src/protocol/failures';
import type { FaultName } from '../support/provider-server/faults';

/** How a call ends that meets a fault. `reply`: it is the agent's to deal with, and the call succeeds. */
export type Ending = FailureCode | 'reply';

/** The documented outcome of a fault, for a call and for a stream. */
export interface Outcome {
  readonly invoke: Ending;
  readonly stream: Ending;
  readonly retryAfterMs?: readonly [least: number, most: number];
}

const both = (ending: Ending): Outcome => ({ invoke: ending, stream: ending });

/** One line per fault, the same for all wire formats; docs/models.md holds the same table. */
export const OUTCOMES: Readonly<Record<FaultName, Outcome>> = {
  'rate-limited': { ...both('MODEL_RATE_LIMITED'), retryAfterMs: [7_000, 7_000] },
  'rate-limited-until': { ...both('MODEL_RATE_LIMITED'), retryAfterMs: [25_000, 30_000] },
  'rate-limited-ms': { ...both('MODEL_RATE_LIMITED'), retryAfterMs: [1_500, 1_500] },
  'quota-exhausted': both('MODEL_QUOTA_EXHAUSTED'),
  'payment-required': both('MODEL_QUOTA_EXHAUSTED'),
  'server-error': both('MODEL_PROVIDER_FAILED'),
  'bad-gateway-html': both('MODEL_PROVIDER_FAILED'),
  unavailable: { ...both('MODEL_OVERLOADED'), retryAfterMs: [3_000, 3_000] },
  'gateway-timeout': both('MODEL_TIMEOUT'),
  overloaded: both('MODEL_OVERLOADED'),
  conflict: both('MODEL_PROVIDER_FAILED'),
  'key-invalid': both('MODEL_KEY_INVALID'),
  forbidden: both('MODEL_KEY_INVALID'),
  'model-unknown': both('MODEL_REQUEST_INVALID'),
  'request-invalid': both('MODEL_REQUEST_INVALID'),
  unprocessable: both('MODEL_REQUEST_INVALID'),
  'too-large': both('MODEL_CONTEXT_TOO_LONG'),
  'context-too-long': both('MODEL_CONTEXT_TOO_LONG'),
  redirect: both('MODEL_REQUEST_INVALID'),
  'reset-before-answer': both('MODEL_UNREACHABLE'),
  'reset-mid-answer': both('MODEL_ANSWER_CUT'),
  'silent-hang': both('MODEL_TIMEOUT'),
  'silent-mid-answer': { invoke: 'MODEL_TIMEOUT', stream: 'MODEL_STREAM_SILENT' },
  'slow-drip': both('MODEL_TIMEOUT'),
  'truncated-answer': { invoke: 'MODEL_ANSWER_INVALID', stream: 'MODEL_ANSWER_CUT' },
  'html-body': both('MODEL_ANSWER_INVALID'),
  'empty-body': both('MODEL_ANSWER_INVALID'),
  'invalid-json': both('MODEL_ANSWER_INVALID'),
  'wrong-shape': both('MODEL_ANSWER_INVALID'),
  'empty-choices': both('MODEL_ANSWER_INVALID'),
  'schema-invalid': { invoke: 'MODEL_ANSWER_INVALID', stream: 'reply' },
  'not-json-answer': { invoke: 'MODEL_ANSWER_INVALID', stream: 'reply' },
  'unknown-tool': both('reply'),
  'malformed-arguments': both('reply'),
  'duplicate-tool-call-id': both('MODEL_ANSWER_INVALID'),
  'length-limit': both('MODEL_ANSWER_TRUNCATED'),
  refusal: both('MODEL_REFUSED'),
  'huge-answer': both('MODEL_ANSWER_TOO_LARGE'),
  'endless-stream': both('MODEL_ANSWER_TOO_LARGE'),
  'error-mid-stream': both('MODEL_OVERLOADED'),
};
