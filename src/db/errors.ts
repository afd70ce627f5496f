import { types } from 'node:util';
import { DrizzleQueryError } from 'drizzle-orm';
import { DatabaseError } from 'pg';
import { AppError, type FailureCode } from '../protocol/failures';

/** SQLSTATEs, or their classes, that mean something to a caller. The longest prefix that fits decides. */
const CODES: Readonly<Record<string, FailureCode>> = {
  '08': 'DATABASE_UNAVAILABLE', // connection lost
  '22021': 'INPUT_INVALID', // null byte in text
  '22P02': 'INPUT_INVALID', // no uuid, lone surrogate in json
  '22P05': 'INPUT_INVALID', // null byte in json
  '25006': 'DATABASE_UNAVAILABLE', // a standby, not yet promoted
  '28': 'DATABASE_UNAVAILABLE', // login refused
  '3D000': 'DATABASE_UNAVAILABLE', // no such database
  '3F000': 'DATABASE_SCHEMA_OUTDATED',
  '40': 'DATABASE_UNAVAILABLE', // still conflicting after our own retries
  '42703': 'DATABASE_SCHEMA_OUTDATED',
  '42883': 'DATABASE_SCHEMA_OUTDATED',
  '42P01': 'DATABASE_SCHEMA_OUTDATED',
  '53': 'DATABASE_UNAVAILABLE', // no connections, memory or disk left
  '54': 'INPUT_TOO_LARGE',
  '57': 'DATABASE_UNAVAILABLE', // shutdown, terminated, cancelled
  '58': 'DATABASE_UNAVAILABLE', // I/O errors
};

const NETWORK_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOENT',
]);

// What pg says, without a code, of a connection that is gone or was never made.
const CONNECTION_MESSAGES = [
  'connection terminated',
  'timeout exceeded when trying to connect',
  'query read timeout',
  'not queryable',
  'self-signed',
  'certificate',
  'ssl connection',
];

/** The SQLSTATE or system code of an error, through drizzle's wrapping and Node's aggregates. */
export function databaseCode(error: unknown): string | undefined {
  const root = rootOf(error);
  return root !== undefined && 'code' in root && typeof root.code === 'string' ? root.code : undefined;
}

/** Turns what pg or drizzle threw into an AppError of one line, without statement, parameters or password. */
export function databaseError(error: unknown): AppError {
  if (AppError.is(error)) return error;
  const root = rootOf(error);
  const failure = failureCode(error);
  const message = root === undefined ? String(error) : root.message.split('\n', 1)[0];
  const sqlState = databaseCode(error);
  const where = sqlState !== undefined && !message?.includes(sqlState) ? ` (${sqlState})` : '';
  // No cause: drizzle's carries the parameters, and pg's `detail` the row.
  return new AppError(failure, `${prefix(failure)}: ${message}${where}`);
}

/** Whether an error came from PostgreSQL or the way there, and not from the code that used it. */
export function isDatabaseError(error: unknown): boolean {
  return (
    error instanceof DrizzleQueryError ||
    rootOf(error) instanceof DatabaseError ||
    failureCode(error) !== 'INTERNAL'
  );
}

function failureCode(error: unknown): FailureCode {
  const code = databaseCode(error);
  if (code !== undefined) {
    if (NETWORK_CODES.has(code)) return 'DATABASE_UNAVAILABLE';
    for (const length of [5, 2]) {
      const known = CODES[code.slice(0, length)];
      if (known !== undefined) return known;
    }
  }
  const message = (rootOf(error)?.message ?? '').toLowerCase();
  return CONNECTION_MESSAGES.some((part) => message.includes(part)) ? 'DATABASE_UNAVAILABLE' : 'INTERNAL';
}

function prefix(code: FailureCode): string {
  if (code === 'DATABASE_UNAVAILABLE') return 'PostgreSQL is not available';
  if (code === 'DATABASE_SCHEMA_OUTDATED')
    return "PostgreSQL lacks this version's tables, run the migrations";
  if (code === 'INPUT_INVALID') return 'A value cannot be stored';
  if (code === 'INPUT_TOO_LARGE') return 'A value is too large or too deep to be stored';
  return 'PostgreSQL refused a statement';
}

// Not `instanceof`: Node's own errors come from another realm where tests run in a context of their own.
function rootOf(error: unknown): Error | undefined {
  if (!types.isNativeError(error)) return undefined;
  // A host name with several addresses fails with an aggregate whose own message is empty.
  if ('errors' in error && Array.isArray(error.errors)) return rootOf(error.errors[0]) ?? error;
  return rootOf(error.cause) ?? error;
}
