import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Lane } from '../../protocol/message';

/**
 * Proof that a lane's items come from whoever holds the attempt's token, which itself never leaves the worker: histories
 * hold the proof alone. `items` are the JSON texts of the lane's items, in order.
 */
export function sign(
  tokenHash: string,
  { publisher, turn, attempt, from }: Lane,
  items: readonly string[],
): string {
  const text = [`${publisher} ${turn} ${attempt} ${from}`, ...items].join('\n');
  return createHmac('sha256', tokenHash).update(text).digest('hex');
}

export function isSignedBy(tokenHash: string, lane: Lane, items: readonly string[]): boolean {
  const { mac = '' } = lane;
  const expected = sign(tokenHash, lane, items);
  return mac.length === expected.length && timingSafeEqual(Buffer.from(mac), Buffer.from(expected));
}
