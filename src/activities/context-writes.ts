import type { ContextWrite } from '../protocol/context';
import { AppError } from '../protocol/failures';
import type { Value } from '../protocol/json';
import { LIMITS } from '../protocol/limits';
import type { FactsByBlob } from '../protocol/run';
import type { PendingWrite, PendingWrites } from '../core/context/pending';
import { factsOf } from '../core/facts';
import { isDeeperThan, unstorable } from '../core/text';
import { encode } from '../db/encode';
import type { Repositories } from '../db/repositories';

/** A turn may hold thousands of values; its blobs must not take every connection of the pool at once. */
const BLOBS_AT_ONCE = 4;

interface Encoded {
  readonly write: PendingWrite;
  readonly text: string;
  readonly bytes: number;
}

/** The writes of one turn, and how it is to carry them. */
export interface Storing {
  readonly tenantId: string;
  readonly writes: PendingWrites;
  /** Pointers that predicates ask for, by key; answered where the value becomes a blob. */
  readonly factsWanted: Readonly<Record<string, readonly string[]>>;
  readonly inlineBytes: number;
}

/**
 * The writes of one turn as its result carries them. Small values travel inline as long as all of them together stay within
 * LIMITS.inlineWritesBytes; the largest go to blobs first, but for those that are merged, which must be inline. Throws AGENT_OUTPUT_INVALID and INPUT_TOO_LARGE.
 */
export async function storedWrites(
  { blobs }: Repositories,
  { tenantId, writes, factsWanted, inlineBytes }: Storing,
): Promise<{ readonly context: readonly ContextWrite[]; readonly facts: FactsByBlob }> {
  const encoded = encodedWrites(writes.list());
  const refs = new Map<PendingWrite, Value>();
  const facts: Record<string, FactsByBlob[string]> = {};
  const large = tooLarge(encoded, inlineBytes);
  const rest = large.values();
  const lane = async (): Promise<void> => {
    for (const { write, text } of rest) {
      const ref = await blobs.put(tenantId, Buffer.from(text), 'application/json');
      refs.set(write, { ref });
      const wanted = factsWanted[write.key] ?? [];
      if (wanted.length > 0) facts[ref.blob] = { ...facts[ref.blob], ...factsOf(write.value, wanted) };
    }
  };
  await Promise.all(Array.from({ length: Math.min(large.length, BLOBS_AT_ONCE) }, lane));
  const context = encoded.map(({ write }): ContextWrite => {
    const { op, key, value } = write;
    return op === 'delete' ? { op, key } : { op, key, value: refs.get(write) ?? { inline: value } };
  });
  return { context, facts };
}

function encodedWrites(writes: readonly PendingWrite[]): readonly Encoded[] {
  const keysBytes = Buffer.byteLength(encode(writes.map(({ key }) => key)));
  if (keysBytes > LIMITS.contextKeysBytes)
    throw new AppError(
      'INPUT_TOO_LARGE',
      `The context keys of this turn have ${keysBytes} bytes; the limit is ${LIMITS.contextKeysBytes} (contextKeysBytes)`,
    );
  return writes.map((write): Encoded => {
    const { key, value } = write;
    if (isDeeperThan(value, LIMITS.valueDepth))
      throw new AppError(
        'INPUT_TOO_LARGE',
        `Context key ${encode(key)} is nested deeper than ${LIMITS.valueDepth} levels (valueDepth): flatten it`,
      );
    // Typed as JSON, but agents are anybody's code: `undefined` has no text.
    const text: string | undefined = encode(value);
    const problem = text === undefined ? 'no JSON' : (unstorable(encode(key)) ?? unstorable(text));
    if (text === undefined || problem !== undefined)
      throw new AppError('AGENT_OUTPUT_INVALID', `Context key ${encode(key)} holds ${problem}`);
    return { write, text, bytes: Buffer.byteLength(text) };
  });
}

/** What must leave: every value over its own limit, and of the others the largest, until the rest fits. */
function tooLarge(encoded: readonly Encoded[], inlineBytes: number): readonly Encoded[] {
  let room: number = LIMITS.inlineWritesBytes;
  for (const { write, bytes } of encoded) if (isMerged(write)) room -= bytes;
  if (room < 0)
    throw new AppError(
      'INPUT_TOO_LARGE',
      `What this turn merges and appends has ${LIMITS.inlineWritesBytes - room} bytes; the limit is ${LIMITS.inlineWritesBytes} (inlineWritesBytes)`,
    );
  return encoded
    .filter(({ write }) => !isMerged(write))
    .toSorted((a, b) => a.bytes - b.bytes)
    .filter(({ bytes }) => {
      room -= bytes;
      return bytes > inlineBytes || room < 0;
    });
}

function isMerged({ op }: PendingWrite): boolean {
  return op === 'merge' || op === 'append';
}
