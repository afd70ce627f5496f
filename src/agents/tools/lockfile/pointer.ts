import type { Json } from '../../../protocol/json';

/** The RFC 6901 pointer made of these keys, from the document's root. */
export function pointerOf(...keys: readonly string[]): string {
  return keys.map((key) => `/${escapeKey(key)}`).join('');
}

/** The same pointer one key further down. */
export function extendPointer(pointer: string, key: string): string {
  return `${pointer}/${escapeKey(key)}`;
}

/** What the pointer points at; undefined where the document has nothing there. */
export function resolvePointer(document: Json, pointer: string): Json | undefined {
  if (pointer === '') return document;
  if (!pointer.startsWith('/')) return undefined;
  let here: Json | undefined = document;
  for (const token of pointer.slice(1).split('/')) {
    here = step(here, token.replaceAll('~1', '/').replaceAll('~0', '~'));
    if (here === undefined) return undefined;
  }
  return here;
}

/** A pointer short enough for an error message. */
export function shortPointer(pointer: string): string {
  return pointer.length <= 200 ? pointer : `${pointer.slice(0, 160)}… (${pointer.length} characters)`;
}

function escapeKey(key: string): string {
  return key.replaceAll('~', '~0').replaceAll('/', '~1');
}

function step(value: Json, key: string): Json | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  if (Array.isArray(value))
    return /^(?:0|[1-9]\d*)$/.test(key) ? (value as readonly Json[])[Number(key)] : undefined;
  // Own members only: a pointer to /constructor must not find what every object inherits.
  return Object.hasOwn(value, key) ? (value as { readonly [name: string]: Json })[key] : undefined;
}
