import type { Json, Value } from '../protocol/json';
import { entryOf, ownValue, pointerOf, valueAt } from './pointer';

/** What a map's step is there for: one entry, and its index from 0. */
export interface Entry {
  readonly item: Value;
  readonly index: number;
}

/** What stands at a place of a value that need not be loaded: in a blob, a part of it. Undefined where nothing stands. */
export function within(value: Value, tokens: readonly string[]): Value | undefined {
  let at: Value | undefined = value;
  for (const [index, token] of tokens.entries()) {
    const rest = tokens.slice(index);
    if ('inline' in at) return inlineAt(at.inline, rest);
    if ('ref' in at) return { part: { of: at.ref, pointer: pointerOf(rest) } };
    if ('part' in at) return { part: { of: at.part.of, pointer: `${at.part.pointer}${pointerOf(rest)}` } };
    at = 'list' in at ? entryOf(at.list, token) : ownValue(at.record, token);
    if (at === undefined) return undefined;
  }
  return at;
}

/** How many entries a value has; null where it is no list, undefined where only the blob can tell. */
export function lengthOf(value: Value): number | null | undefined {
  if ('list' in value) return value.list.length;
  if ('inline' in value) return Array.isArray(value.inline) ? value.inline.length : null;
  return 'record' in value ? null : undefined;
}

/** An entry of a list. */
export function entryAt(list: Value, index: number): Entry {
  return { item: within(list, [String(index)]) ?? { inline: null }, index };
}

function inlineAt(document: Json, tokens: readonly string[]): Value | undefined {
  const inline = valueAt(document, tokens);
  return inline === undefined ? undefined : { inline };
}
