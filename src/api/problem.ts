import type { Context } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { AppError, FAILURES, type FailureCode } from '../protocol/failures';

/** A failure as problem+json (RFC 9457), with everything that was wrong one by one; what is not ours says no more than INTERNAL. */
export function problem(c: Context, error: unknown): Response {
  const code: FailureCode = AppError.is(error) ? error.code : 'INTERNAL';
  const detail = AppError.is(error) ? error.message : 'Something failed on our side; the log has the reason';
  const problems = AppError.is(error) && error.problems.length > 0 ? { problems: error.problems } : {};
  const { http, retry } = FAILURES[code];
  if (retry && http === 503) c.header('Retry-After', '2');
  c.header('Content-Type', 'application/problem+json');
  return c.body(
    JSON.stringify({ type: 'about:blank', title: code, status: http, detail, ...problems }),
    http as ContentfulStatusCode,
  );
}
