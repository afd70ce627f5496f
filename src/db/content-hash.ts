import { createHash } from 'node:crypto';
import stringify from 'safe-stable-stringify';

/** Hash of a JSON value, the same whatever the order of its keys. */
export function contentHash(value: object): string {
  return createHash('sha256')
    .update(String(stringify(value)))
    .digest('hex');
}
