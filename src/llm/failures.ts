import { AppError } from '../protocol/failures';
import type { Call } from './call';
import { ModelError, type ModelFailureCode, type ModelIdentity } from './model-error';
import { readableDetail, type Confidential } from './redact';

/** A failed call before it has a code: who was called, how, and what must not be repeated. */
export interface Attempt {
  readonly identity: ModelIdentity;
  readonly call: Call;
  readonly host: string;
  readonly confidential: Confidential;
}

/** What a provider says went wrong, in whichever of its shapes. */
export interface ProviderFault {
  readonly status?: number | undefined;
  /** The provider's machine-readable words: error type and code. */
  readonly words: string;
  readonly detail?: string | undefined;
  readonly headers?: Headers | undefined;
}

const MOST_RETRY_AFTER_MS = 24 * 60 * 60 * 1000;

const WORDS: readonly (readonly [RegExp, ModelFailureCode])[] = [
  [/insufficient_quota|billing|credit|payment/, 'MODEL_QUOTA_EXHAUSTED'],
  [/context_length|context_size|context_window|request_too_large/, 'MODEL_CONTEXT_TOO_LONG'],
  [/content_policy|content_filter|bio_policy|invalid_prompt|refus/, 'MODEL_REFUSED'],
  [/rate_limit|too_many_requests/, 'MODEL_RATE_LIMITED'],
  [/overloaded|slow_down|unavailable/, 'MODEL_OVERLOADED'],
  [/api_key|authentication|permission|unauthori[sz]ed|forbidden/, 'MODEL_KEY_INVALID'],
  [/timeout/, 'MODEL_TIMEOUT'],
  [/invalid_request|not_found|unsupported/, 'MODEL_REQUEST_INVALID'],
];

// Providers without a code for it say it in prose: Anthropic, llama.cpp, vLLM and others each in their way.
const TOO_LONG =
  /prompt is too long|maximum context length|context (?:length|window|size|limit)|too many (?:input )?tokens|input is too long/i;
const NO_CREDIT = /credit balance|quota exceeded|insufficient (?:funds|credits?|balance)/i;

const FEATURE_NAMED =
  /\btools?\b|tool_|function call|response_format|json_(?:schema|object)|grammar|stream_options|max_(?:completion_)?tokens|temperature/i;

const BY_STATUS: Readonly<Record<number, ModelFailureCode>> = {
  401: 'MODEL_KEY_INVALID',
  402: 'MODEL_QUOTA_EXHAUSTED',
  403: 'MODEL_KEY_INVALID',
  408: 'MODEL_TIMEOUT',
  413: 'MODEL_CONTEXT_TOO_LONG',
  429: 'MODEL_RATE_LIMITED',
  503: 'MODEL_OVERLOADED',
  504: 'MODEL_TIMEOUT',
  529: 'MODEL_OVERLOADED',
};

const SAYS: Readonly<Partial<Record<ModelFailureCode, string>>> = {
  MODEL_KEY_INVALID: 'the key was not accepted',
  MODEL_QUOTA_EXHAUSTED: 'the account has no quota or credit left',
  MODEL_RATE_LIMITED: 'rate limit reached',
  MODEL_OVERLOADED: 'the provider is overloaded',
  MODEL_PROVIDER_FAILED: 'the provider failed',
  MODEL_TIMEOUT: 'the provider gave up in time',
  MODEL_CONTEXT_TOO_LONG: "the request is longer than the model's context",
  MODEL_REFUSED: 'the request was refused',
  MODEL_REQUEST_INVALID: 'the request was not accepted',
};

/** Turns whatever a provider call threw into what its caller should see. Never retries, never keeps the original. */
export function modelFailure(error: unknown, attempt: Attempt): Error {
  const stopped = stoppedFailure(attempt);
  if (stopped !== undefined) return stopped;
  if (AppError.is(error)) return error;
  const fault = faultOf(error);
  if (fault !== undefined) return faultFailure(fault, attempt);
  if (isObject(error) && error['name'] === 'SyntaxError')
    return answerInvalid('the answer is not JSON', attempt);
  return connectionFailure(error, attempt);
}

/** The failure for a fault the provider put into words, in an HTTP error or in the middle of an answer. */
export function faultFailure(fault: ProviderFault, { identity, confidential }: Attempt): ModelError {
  const code = codeOf(fault);
  const http = fault.status === undefined ? '' : ` (HTTP ${fault.status})`;
  const retryAfterMs = retryAfter(fault.headers);
  const wait = retryAfterMs === undefined ? '' : `, try again in ${Math.ceil(retryAfterMs / 1000)} s`;
  // What a provider says about a bad key tends to contain the key.
  const said = code === 'MODEL_KEY_INVALID' ? undefined : readableDetail(fault.detail ?? '', confidential);
  const message = `${says(code, fault.status)}${http}${wait}${said === undefined ? '' : `: ${said}`}`;
  return new ModelError(code, message, { ...identity, retryAfterMs });
}

/**
 * Whether a request was refused for what it asks, which may be a feature that the server does not take. Some servers
 * answer that as a failure of their own, or as an unknown address, and name the feature.
 */
export function isRefusal(error: unknown, attempt: Attempt): boolean {
  const failure = modelFailure(error, attempt);
  const code = AppError.is(failure) ? failure.code : undefined;
  const status = isObject(error) && !(error instanceof ModelError) ? error['status'] : undefined;
  if (status === 400 || status === 422 || status === undefined) return code === 'MODEL_REQUEST_INVALID';
  const said = isObject(error) ? String(error['message']) : '';
  return (status === 404 || status === 500 || status === 501) && FEATURE_NAMED.test(said);
}

/** The failure for an answer that came, and is not one. */
export function answerInvalid(
  what: string,
  { identity, call }: Pick<Attempt, 'identity' | 'call'>,
): ModelError {
  const type = /^[\w.+/-]+/.exec(call.contentType)?.[0];
  const sent = type === undefined || /json|event-stream/.test(type) ? '' : ` (it was sent ${type})`;
  return new ModelError('MODEL_ANSWER_INVALID', `${what}${sent}`, identity);
}

/** The failure for a stream that ended without the word that it is complete. */
export function streamEnded({ identity, call, host }: Attempt): ModelError {
  if (!/event-stream/.test(call.contentType))
    return answerInvalid('the answer is not a stream', { identity, call });
  return new ModelError(
    'MODEL_ANSWER_CUT',
    `${host} ended the stream before the answer was complete`,
    identity,
  );
}

/** Reads `retry-after-ms`, and `Retry-After` in seconds or as a date. */
export function retryAfter(headers: Headers | undefined, now = Date.now()): number | undefined {
  const milliseconds = Number.parseFloat(headers?.get('retry-after-ms') ?? '');
  if (Number.isFinite(milliseconds)) return bounded(milliseconds);
  const value = headers?.get('retry-after')?.trim() ?? '';
  if (/^\d+(\.\d+)?$/.test(value)) return bounded(Number(value) * 1000);
  // A date has letters; Date.parse would take a stray number for a year.
  const date = /[a-z]/i.test(value) ? Date.parse(value) : Number.NaN;
  return Number.isFinite(date) ? bounded(date - now) : undefined;
}

function bounded(milliseconds: number): number {
  return Math.min(MOST_RETRY_AFTER_MS, Math.max(0, Math.ceil(milliseconds)));
}

function codeOf({ status, words, detail = '' }: ProviderFault): ModelFailureCode {
  const named = WORDS.find(([pattern]) => pattern.test(words.toLowerCase()))?.[1];
  if (status === undefined) return named ?? 'MODEL_PROVIDER_FAILED';
  if (status === 429) return named === 'MODEL_QUOTA_EXHAUSTED' ? named : 'MODEL_RATE_LIMITED';
  const byStatus = BY_STATUS[status];
  if (byStatus !== undefined) return byStatus;
  if (status >= 500 || status === 409) return 'MODEL_PROVIDER_FAILED';
  if (named === 'MODEL_CONTEXT_TOO_LONG' || TOO_LONG.test(detail)) return 'MODEL_CONTEXT_TOO_LONG';
  if (named === 'MODEL_QUOTA_EXHAUSTED' || NO_CREDIT.test(detail)) return 'MODEL_QUOTA_EXHAUSTED';
  return named === 'MODEL_REFUSED' ? named : 'MODEL_REQUEST_INVALID';
}

function says(code: ModelFailureCode, status: number | undefined): string {
  if (status === 404) return 'the model or the address is unknown to the provider';
  if (status !== undefined && status >= 300 && status < 400) {
    return 'the base URL redirects elsewhere; set the final address';
  }
  return SAYS[code] ?? 'the call failed';
}

function stoppedFailure({ identity, call, host }: Attempt): Error | undefined {
  const { timeoutMs, idleTimeoutMs } = call.bounds;
  switch (call.stopped) {
    case undefined:
    // The caller's reason is thrown before a failure is looked for.
    case 'aborted':
      return undefined;
    case 'timeout':
      return new ModelError(
        'MODEL_TIMEOUT',
        `no complete answer from ${host} within ${timeoutMs} ms`,
        identity,
      );
    case 'silent':
      return new ModelError(
        'MODEL_STREAM_SILENT',
        `${host} sent nothing for ${idleTimeoutMs} ms within its answer`,
        identity,
      );
    case 'too-large':
      return new ModelError(
        'MODEL_ANSWER_TOO_LARGE',
        'the answer is larger than any model writes; it was cut off',
        identity,
      );
  }
}

function connectionFailure(error: unknown, { identity, call, host }: Attempt): ModelError {
  const { code, timedOut } = connectionCause(error);
  const why = code === undefined ? '' : ` (${code})`;
  if (call.answered && code === undefined && !isTermination(error)) {
    // What the SDK could not even take apart, as an empty body or a number where an object belongs.
    return answerInvalid('the answer cannot be read', { identity, call });
  }
  if (call.answered) {
    return new ModelError(
      'MODEL_ANSWER_CUT',
      `the connection to ${host} broke within the answer${why}`,
      identity,
    );
  }
  if (timedOut) return new ModelError('MODEL_TIMEOUT', `no connection to ${host} in time${why}`, identity);
  return new ModelError('MODEL_UNREACHABLE', `cannot reach ${host}${why}`, identity);
}

function isTermination(error: unknown): boolean {
  return isObject(error) && /terminated|premature|aborted|socket/i.test(String(error['message']));
}

function connectionCause(error: unknown): { code: string | undefined; timedOut: boolean } {
  for (let at = error, depth = 0; isObject(at) && depth < 6; depth += 1) {
    const { code, cause, errors } = at;
    if (typeof code === 'string' && /^[A-Z][A-Z0-9_]+$/.test(code)) {
      return { code, timedOut: /TIMEDOUT|TIMEOUT/.test(code) };
    }
    at = cause ?? (Array.isArray(errors) ? errors[0] : undefined);
  }
  return { code: undefined, timedOut: isObject(error) && /timed out/i.test(String(error['message'])) };
}

/** Both SDKs throw errors with `status`, `headers` and the parsed body in `error`; OpenAI's holds the inner object. */
function faultOf(error: unknown): ProviderFault | undefined {
  if (!isObject(error)) return undefined;
  const { status, headers, error: body } = error;
  if (typeof status !== 'number') return body === undefined || body === null ? undefined : faultInBody(body);
  return { ...faultInBody(body), status, headers: headers instanceof Headers ? headers : undefined };
}

/** The fault an error body tells of: `{error: {type, code, message}}`, its inner object alone, or a text. */
export function faultInBody(body: unknown): ProviderFault {
  const outer = isObject(body) ? body : {};
  const inner = isObject(outer['error']) ? outer['error'] : outer;
  const text = (value: unknown): string => (typeof value === 'string' ? value : '');
  return {
    words: `${text(inner['type'])} ${text(inner['code'])}`,
    detail: text(inner['message']) || text(outer['error']) || text(body),
  };
}

// By shape, not by class: errors of fetch come from another realm where code runs in a sandbox, as Jest's does.
function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
