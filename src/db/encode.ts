import { AppError } from '../protocol/failures';

/** JSON text for PostgreSQL. Throws INPUT_TOO_LARGE where a value is nested deeper than can be followed. */
export function encode(value: object | string | number | boolean | null): string {
  try {
    return JSON.stringify(value);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new AppError('INPUT_TOO_LARGE', 'A value is nested too deep to be stored; flatten it', { cause });
  }
}
