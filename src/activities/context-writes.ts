import type { ContextWrite } from '../protocol/agent';
import { AppError } from '../protocol/failures';
import type { Value } from '../protocol/json';
import { LIMITS } from '../protocol/limits';
import type { FactsByBlob } from '../protocol/run';
import { factsOf } from '../core/facts';
import { isDeeperThan, unstorable } from '../core/text';
import { encode } from '../db/encode';
import type { Repositories } from '../db/repositories';
import type { ContextWrites } from './agent-context';

/** A turn may hold thousands of values; its blobs must not take every connection of the pool at once. */
const BLOBS_AT_ONCE = 4;

interface Encoded {
  readonly key: string;
  readonly text: string;
  readonly bytes: number;
}

/** The writes of one turn, and how it is to carry them. */
export interface Storing {
  readonly tenantId: string;
  readonly writes: ContextWrites;
  /** Pointers that predicates ask for, by key; answered where the value becomes a blob. */
  readonly factsWanted: Readonly<Record<string, readonly string[]>>;
  readonly inlineBytes: number;
}

/**
 * The writes of one turn as its result carries them. Small values travel inline as long as all of them together stay within
 * LIMITS.inlineWritesBytes; the largest go to blobs first. Throws AGENT_OUTPUT_INVALID and INPUT_TOO_LARGE.
 */
export async function storedWrites(
  { blobs }: Repositories,
  { tenantId, writes, factsWanted, inlineBytes }: Storing,
): Promise<{ readonly context: readonly ContextWrite[]; readonly facts: FactsByBlob }> {
  const encoded = encodedWrites(writes);
  const refs = new Map<string, Value>();
  const facts: Record<string, FactsByBlob[string]> = {};
  const rest = tooLarge(encoded, inlineBytes).values();
  const lane = async (): Promise<void> => {
    for (const { key, text } of rest) {
      const ref = await blobs.put(tenantId, Buffer.from(text), 'application/json');
      refs.set(key, { ref });
      const wanted = factsWanted[key] ?? [];
      if (wanted.length > 0)
        facts[ref.blob] = { ...facts[ref.blob], ...factsOf(writes.get(key) ?? null, wanted) };
    }
  };
  await Promise.all(Array.from({ length: BLOBS_AT_ONCE }, lane));
  const context = [...writes].map(([key, json]): ContextWrite => ({
    op: 'set',
    key,
    value: refs.get(key) ?? { inline: json },
  }));
  return { context, facts };
}

function encodedWrites(writes: ContextWrites): readonly Encoded[] {
  const keysBytes = Buffer.byteLength(encode([...writes.keys()]));
  if (keysBytes > LIMITS.contextKeysBytes)
    throw new AppError(
      'INPUT_TOO_LARGE',
      `The context keys of this turn have ${keysBytes} bytes; the limit is ${LIMITS.contextKeysBytes} (contextKeysBytes)`,
    );
  return [...writes].map(([key, value]): Encoded => {
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
    return { key, text, bytes: Buffer.byteLength(text) };
  });
}

/** What must leave: every value over its own limit, and of the others the largest, until the rest fits. */
function tooLarge(encoded: readonly Encoded[], inlineBytes: number): readonly Encoded[] {
  let room: number = LIMITS.inlineWritesBytes;
  return encoded
    .toSorted((a, b) => a.bytes - b.bytes)
    .filter(({ bytes }) => {
      room -= bytes;
      return bytes > inlineBytes || room < 0;
    });
}
