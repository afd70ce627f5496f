import type { DataConverter } from '@temporalio/common';
import { AppError } from '../protocol/failures';
import { isUndecodable } from '../protocol/undecodable';

/**
 * How everything of ours that speaks to Temporal reads and writes payloads: worker, client and workflow bundle alike.
 *
 * A codec that is added here must not throw in `decode` but hand back what it cannot read as it came: its encoding is
 * then unknown to the payload converter, and the value undecodable like any other.
 */
export const dataConverter = {
  // By path, since the sandbox gets a copy of its own; resolved beside this file, in sources and build alike.
  payloadConverterPath: require.resolve('../workflows/payload-converter'),
} as const satisfies DataConverter;

/** A result or an answer as Temporal brought it; INTERNAL where it could not be decoded. */
export function decoded<T>(value: T, what: string): T {
  if (!isUndecodable(value)) return value;
  throw new AppError('INTERNAL', `${what} cannot be decoded: ${value.undecodable}`);
}
