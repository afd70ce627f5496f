/** How one kind of failure is treated at every edge. A code without all four columns does not compile. */
export interface FailureRow {
  /** May another attempt help? Read by Temporal's retry policy. */
  readonly retry: boolean;
  readonly http: number;
  readonly exit: number;
  readonly log: 'info' | 'warn' | 'error';
}

/** The one failure table: workflows, activities, API and CLI all read it. Exit codes: 2 input, 3 run, 4 model provider, 5 environment, 130 cancelled. */
export const FAILURES = {
  INPUT_INVALID: { retry: false, http: 400, exit: 2, log: 'info' },
  INPUT_TOO_LARGE: { retry: false, http: 413, exit: 2, log: 'info' },
  INPUT_UNREADABLE: { retry: false, http: 400, exit: 2, log: 'info' },
  INPUT_UNSUPPORTED: { retry: false, http: 422, exit: 2, log: 'info' },
  PLAN_INVALID: { retry: false, http: 400, exit: 2, log: 'info' },
  PLAN_UNKNOWN: { retry: false, http: 404, exit: 2, log: 'info' },
  AGENT_UNKNOWN: { retry: false, http: 404, exit: 2, log: 'info' },
  RUN_UNKNOWN: { retry: false, http: 404, exit: 2, log: 'info' },
  PROJECT_UNKNOWN: { retry: false, http: 404, exit: 2, log: 'info' },
  IDEMPOTENCY_CONFLICT: { retry: false, http: 422, exit: 2, log: 'info' },
  UNAUTHENTICATED: { retry: false, http: 401, exit: 2, log: 'info' },
  AGENT_FAILED: { retry: true, http: 500, exit: 3, log: 'warn' },
  AGENT_TIMEOUT: { retry: true, http: 504, exit: 3, log: 'warn' },
  AGENT_STALLED: { retry: true, http: 504, exit: 3, log: 'warn' },
  AGENT_LOST: { retry: true, http: 500, exit: 3, log: 'warn' },
  AGENT_NOT_LOADED: { retry: true, http: 503, exit: 3, log: 'error' },
  AGENT_INPUT_INVALID: { retry: false, http: 422, exit: 3, log: 'warn' },
  AGENT_OUTPUT_INVALID: { retry: false, http: 500, exit: 3, log: 'warn' },
  AGENT_OUTPUT_TOO_LARGE: { retry: false, http: 500, exit: 3, log: 'warn' },
  TOOL_TIMEOUT: { retry: true, http: 504, exit: 3, log: 'warn' },
  TOOL_FAILED: { retry: false, http: 502, exit: 3, log: 'warn' },
  TOOL_RESULT_TOO_LARGE: { retry: false, http: 500, exit: 3, log: 'warn' },
  TOOL_OUTCOME_UNKNOWN: { retry: false, http: 409, exit: 3, log: 'error' },
  TOOL_FORBIDDEN: { retry: false, http: 403, exit: 3, log: 'warn' },
  STEP_TIMEOUT: { retry: false, http: 504, exit: 3, log: 'warn' },
  STEP_INPUT_INVALID: { retry: false, http: 422, exit: 3, log: 'warn' },
  STEP_LIMIT: { retry: false, http: 500, exit: 3, log: 'warn' },
  STEP_UNDECIDED: { retry: false, http: 500, exit: 3, log: 'warn' },
  QUORUM_MISSED: { retry: false, http: 500, exit: 3, log: 'warn' },
  ATTEMPT_FENCED: { retry: true, http: 409, exit: 3, log: 'warn' },
  CONTEXT_CONFLICT: { retry: true, http: 409, exit: 3, log: 'info' },
  CONTEXT_UNMERGEABLE: { retry: false, http: 422, exit: 3, log: 'warn' },
  CONTEXT_LIMIT: { retry: false, http: 413, exit: 3, log: 'warn' },
  CONTEXT_FORBIDDEN: { retry: false, http: 403, exit: 3, log: 'warn' },
  RUN_LIMIT: { retry: false, http: 500, exit: 3, log: 'warn' },
  RUN_FAILED: { retry: false, http: 500, exit: 3, log: 'warn' },
  RUN_FINAL: { retry: false, http: 409, exit: 3, log: 'info' },
  RUN_TERMINATED: { retry: false, http: 409, exit: 3, log: 'warn' },
  RUN_CANCELLED: { retry: false, http: 409, exit: 130, log: 'info' },
  BUS_CLOSED: { retry: false, http: 409, exit: 3, log: 'info' },
  MESSAGE_TIMEOUT: { retry: true, http: 504, exit: 3, log: 'warn' },
  MESSAGE_NOT_LOGGED: { retry: true, http: 503, exit: 3, log: 'warn' },
  DEADLOCK: { retry: false, http: 500, exit: 3, log: 'warn' },
  MODEL_KEY_INVALID: { retry: false, http: 502, exit: 4, log: 'error' },
  MODEL_REQUEST_INVALID: { retry: false, http: 502, exit: 4, log: 'error' },
  MODEL_UNSUPPORTED: { retry: false, http: 502, exit: 4, log: 'warn' },
  MODEL_QUOTA_EXHAUSTED: { retry: false, http: 502, exit: 4, log: 'error' },
  MODEL_RATE_LIMITED: { retry: true, http: 503, exit: 4, log: 'warn' },
  MODEL_OVERLOADED: { retry: true, http: 503, exit: 4, log: 'warn' },
  MODEL_PROVIDER_FAILED: { retry: true, http: 502, exit: 4, log: 'warn' },
  MODEL_UNREACHABLE: { retry: true, http: 502, exit: 4, log: 'warn' },
  MODEL_TIMEOUT: { retry: true, http: 504, exit: 4, log: 'warn' },
  MODEL_STREAM_SILENT: { retry: true, http: 504, exit: 4, log: 'warn' },
  MODEL_CONTEXT_TOO_LONG: { retry: false, http: 502, exit: 4, log: 'warn' },
  MODEL_REFUSED: { retry: false, http: 502, exit: 4, log: 'warn' },
  MODEL_ANSWER_INVALID: { retry: true, http: 502, exit: 4, log: 'warn' },
  MODEL_ANSWER_TRUNCATED: { retry: true, http: 502, exit: 4, log: 'warn' },
  MODEL_ANSWER_CUT: { retry: true, http: 502, exit: 4, log: 'warn' },
  MODEL_ANSWER_TOO_LARGE: { retry: false, http: 502, exit: 4, log: 'warn' },
  CONFIG_INVALID: { retry: false, http: 500, exit: 5, log: 'error' },
  PLATFORM_UNSUPPORTED: { retry: false, http: 500, exit: 5, log: 'error' },
  DATABASE_UNAVAILABLE: { retry: true, http: 503, exit: 5, log: 'error' },
  DATABASE_SCHEMA_OUTDATED: { retry: false, http: 503, exit: 5, log: 'error' },
  DATABASE_ROLE_UNSAFE: { retry: false, http: 500, exit: 5, log: 'error' },
  TEMPORAL_UNAVAILABLE: { retry: true, http: 503, exit: 5, log: 'error' },
  INTERNAL: { retry: true, http: 500, exit: 1, log: 'error' },
} as const satisfies Record<string, FailureRow>;

export type FailureCode = keyof typeof FAILURES;

/** A failure as rows, events and results carry it: one readable line, never a stack. */
export interface Failure {
  readonly code: FailureCode;
  readonly message: string;
}

export function isFailureCode(value: unknown): value is FailureCode {
  return typeof value === 'string' && Object.hasOwn(FAILURES, value);
}

/** One thing wrong with what was given: where, what, and the way out. */
export interface Problem {
  readonly path: string;
  readonly message: string;
  readonly hint: string;
}

interface AppErrorOptions {
  readonly cause?: unknown;
  /** The provider's own word on when to try again; becomes the activity's next retry delay. */
  readonly retryAfterMs?: number;
  /** Everything that is wrong, one by one; the message says the same in one line. */
  readonly problems?: readonly Problem[];
}

/** The only error thrown outside workflow code. Recognise it with `AppError.is`: class identity does not cross realms. */
export class AppError extends Error {
  override readonly name = 'AppError';
  readonly retryAfterMs: number | undefined;
  readonly problems: readonly Problem[];

  constructor(
    readonly code: FailureCode,
    message: string,
    options: AppErrorOptions = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.retryAfterMs = options.retryAfterMs;
    this.problems = options.problems ?? [];
  }

  static is(error: unknown): error is AppError {
    return (
      error instanceof Error && error.name === 'AppError' && 'code' in error && isFailureCode(error.code)
    );
  }
}
