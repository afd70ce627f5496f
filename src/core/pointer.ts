import type { Json } from '../protocol/json';

/** The keys a JSON pointer goes through, unescaped; none for the whole document. */
export function tokensOf(pointer: string): readonly string[] {
  if (pointer === '') return [];
  return pointer
    .slice(1)
    .split('/')
    .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'));
}

export function pointerOf(tokens: readonly string[]): string {
  return tokens.map((token) => `/${token.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}

/** Whether a token can name an entry of a list. */
export function isIndex(token: string): boolean {
  return /^(0|[1-9]\d{0,9})$/.test(token);
}

/** The entry of a list that a token names, by its index alone. */
export function entryOf<T>(list: readonly T[], token: string): T | undefined {
  return isIndex(token) ? list[Number(token)] : undefined;
}

/** What an object itself holds under a key, nothing it inherits. */
export function ownValue<T>(object: { readonly [key: string]: T }, key: string): T | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

/** What stands at a pointer of a JSON document; undefined where nothing does. Own properties only. */
export function valueAt(document: Json, tokens: readonly string[]): Json | undefined {
  let at: Json | undefined = document;
  for (const token of tokens) {
    if (typeof at !== 'object' || at === null) return undefined;
    at = isList(at) ? entryOf(at, token) : ownValue(at, token);
  }
  return at;
}

// Array.isArray does not narrow a readonly array.
function isList(value: object): value is readonly Json[] {
  return Array.isArray(value);
}
