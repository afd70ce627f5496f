import { AppError, FAILURES, type FailureCode } from '../protocol/failures';

/** A failure as the command line ends with it. */
export interface ReportedFailure {
  readonly code: FailureCode;
  readonly message: string;
  readonly exit: number;
}

/** Writes one readable line to stderr and says which exit code the failure table has for it. */
export function reportFailure(error: unknown): ReportedFailure {
  const failure = failureOf(error);
  process.stderr.write(`ensemble: ${failure.code}: ${failure.message}\n`);
  return failure;
}

function failureOf(error: unknown): ReportedFailure {
  const code: FailureCode = AppError.is(error) ? error.code : 'INTERNAL';
  const text = error instanceof Error ? error.message : String(error);
  return { code, message: text.replaceAll(/\s+/g, ' ').trim(), exit: FAILURES[code].exit };
}
