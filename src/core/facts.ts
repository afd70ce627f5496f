import type { BlobPart, Json, Value } from '../protocol/json';
import { LIMITS } from '../protocol/limits';
import { entryOf, ownValue, pointerOf, tokensOf, valueAt } from './pointer';

/**
 * What is known of blobs that are not loaded: by SHA-256, then by JSON pointer. A blob never changes, so neither does
 * a fact, wherever the blob turns up: as an output, in a merged record, in the context. Entries of a map have their own,
 * by `partKey`.
 */
export type Facts = { readonly [blob: string]: BlobFacts };
export type BlobFacts = { readonly [pointer: string]: Json };

export const NO_FACTS: Facts = {};

/**
 * What stands at a pointer into a value that may be inline, by reference, or made of others. Of a reference only its
 * facts are known; objects and lists that are not inline answer as empty ones. Undefined where nothing stands.
 */
export function lookUp(value: Value, pointer: string, facts: Facts): Json | undefined {
  let at: Value | undefined = value;
  const tokens = tokensOf(pointer);
  for (const [index, token] of tokens.entries()) {
    if (!('list' in at || 'record' in at)) return known(at, tokens.slice(index), facts);
    at = 'list' in at ? entryOf(at.list, token) : ownValue(at.record, token);
    if (at === undefined) return undefined;
  }
  if ('list' in at) return [];
  return 'record' in at ? {} : known(at, [], facts);
}

/** Under which key the facts of an entry that lies in a blob are kept. */
export function partKey({ of, pointer }: BlobPart): string {
  return `${of.blob}${pointer}`;
}

function known(
  value: Extract<Value, { inline: Json } | { ref: object } | { part: object }>,
  tokens: readonly string[],
  facts: Facts,
): Json | undefined {
  if ('inline' in value) return valueAt(value.inline, tokens);
  const key = 'ref' in value ? value.ref.blob : partKey(value.part);
  return ownValue(ownValue(facts, key) ?? {}, pointerOf(tokens));
}

/** All that is known by then: of one blob in several places, asked for different things, what was asked in each. */
export function joinedFacts(facts: Facts, more: Facts): Facts {
  const joined = Object.entries(more).map(([key, about]) => [key, { ...ownValue(facts, key), ...about }]);
  return { ...facts, ...Object.fromEntries(joined) };
}

/** The facts of a document at the wanted pointers; what does not exist has none. */
export function factsOf(document: Json, wanted: readonly string[]): BlobFacts {
  const entries = wanted.slice(0, LIMITS.factsPerOutput).flatMap((pointer): [string, Json][] => {
    const found = valueAt(document, tokensOf(pointer));
    return found === undefined ? [] : [[pointer, factOf(found)]];
  });
  return Object.fromEntries(entries);
}

/** Predicates compare with short texts only, so the beginning of a long one answers whatever they ask. */
function factOf(found: Json): Json {
  if (typeof found === 'string') return beginningOf(found, LIMITS.constantChars + 1);
  if (typeof found !== 'object' || found === null) return found;
  return Array.isArray(found) ? [] : {};
}

/** One unit more where the cut would halve a character: PostgreSQL keeps no halves. */
function beginningOf(text: string, units: number): string {
  const last = text.charCodeAt(units - 1);
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? units + 1 : units);
}
