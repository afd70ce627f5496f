import type { Json } from '../protocol/json';

/** A JSON value as people read it: text as it is, anything else as JSON. */
export function textOf(json: Json): string {
  return typeof json === 'string' ? json : JSON.stringify(json);
}

const UNSTORABLE = /(?<!\\)(?:\\\\)*\\u(0000|d[89ab][0-9a-f]{2}|d[c-f][0-9a-f]{2})/i;
const UNSTORABLE_ALL = /(?<!\\)((?:\\\\)*)\\u(?:0000|d[89a-f][0-9a-f]{2})/gi;

/** What in a JSON text PostgreSQL cannot keep: a null character or half a surrogate pair; undefined where all is well. */
export function unstorable(json: string): string | undefined {
  const found = UNSTORABLE.exec(json)?.[1];
  if (found === undefined) return undefined;
  return found === '0000' ? 'a null character (U+0000)' : `half a surrogate pair (U+${found.toUpperCase()})`;
}

/** The JSON text with what PostgreSQL cannot keep replaced by U+FFFD. */
export function storable(json: string): string {
  return json.replaceAll(UNSTORABLE_ALL, '$1\\ufffd');
}

/** The first characters of a text, never half of one: PostgreSQL and model providers refuse half a surrogate pair. */
export function firstChars(text: string, most: number): string {
  const cut = text.slice(0, most);
  return /[\ud800-\udbff]$/.test(cut) && cut.length < text.length ? cut.slice(0, -1) : cut;
}

/** A copy that can be stored, whatever stands in it: what everybody who reads it later will read. */
export function storableCopy(json: Json): Json {
  return JSON.parse(storable(JSON.stringify(json))) as Json;
}

/** Whether lists and objects lie in each other beyond so many levels. */
export function isDeeperThan(json: Json, levels: number): boolean {
  if (typeof json !== 'object' || json === null) return false;
  if (levels === 0) return true;
  return Object.values(json).some((inner) => isDeeperThan(inner, levels - 1));
}
