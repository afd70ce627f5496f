import { AppError } from '../../../protocol/failures';
import type { Json } from '../../../protocol/json';

const MOST_TOKENS = 32;
const MOST_VALUES = 1_000;
const SHOWN_KEYS = 20;

/** What a path selects: one place, or every place that its wildcards and filters reach. */
export type Selected =
  | { readonly one: Json }
  | {
      readonly many: readonly Json[];
      /** How many more there are. */
      readonly leftOut: number;
    };

type Token =
  | { readonly kind: 'key'; readonly key: string }
  | { readonly kind: 'every' }
  | { readonly kind: 'where'; readonly key: string; readonly equals: string };

/**
 * Selects from JSON by a path: RFC 6901 pointer tokens, and two more. `*` is every item of a list or every member of an
 * object; `?field=text` is every item or member that is an object whose `field`, written as text, is `text`. Keys that are
 * `*` or begin with `?` are written `~2` and `~3`. Nothing is evaluated. Throws INPUT_INVALID where a path without them leads
 * nowhere.
 */
export function select(document: Json, path: string): Selected {
  const tokens = tokensOf(path);
  if (tokens.every(({ kind }) => kind === 'key')) return { one: at(document, tokens) };
  let here: Json[] = [document];
  for (const token of tokens) here = here.flatMap((value) => step(value, token));
  return { many: here.slice(0, MOST_VALUES), leftOut: Math.max(0, here.length - MOST_VALUES) };
}

function tokensOf(path: string): Token[] {
  if (path === '') return [];
  if (!path.startsWith('/')) throw wrong(`a path starts with "/", or is empty for everything: "${path}"`);
  const parts = path.slice(1).split('/');
  if (parts.length > MOST_TOKENS) throw wrong(`a path has at most ${MOST_TOKENS} parts`);
  return parts.map((part): Token => {
    if (part === '*') return { kind: 'every' };
    if (!part.startsWith('?')) return { kind: 'key', key: unescaped(part) };
    const equals = part.indexOf('=');
    if (equals < 2) throw wrong(`a filter is written ?field=value, not "${part}"`);
    return {
      kind: 'where',
      key: unescaped(part.slice(1, equals)),
      equals: unescaped(part.slice(equals + 1)),
    };
  });
}

function unescaped(part: string): string {
  if (/~(?![0123])/.test(part)) throw wrong(`"~" is written ~0 in a path: "${part}"`);
  return part.replaceAll('~3', '?').replaceAll('~2', '*').replaceAll('~1', '/').replaceAll('~0', '~');
}

function at(document: Json, tokens: readonly Token[]): Json {
  let here = document;
  for (const token of tokens) {
    const [next] = step(here, token);
    if (next === undefined) {
      const key = token.kind === 'key' ? token.key : '*';
      throw wrong(`the path leads nowhere at "${key}": there is ${described(here)}`);
    }
    here = next;
  }
  return here;
}

function step(value: Json, token: Token): readonly Json[] {
  if (typeof value !== 'object' || value === null) return [];
  if (token.kind === 'every') return Object.values(value);
  if (token.kind === 'where')
    return Object.values(value).filter((member: Json) => fits(member, token.key, token.equals));
  const found = member(value, token.key);
  return found === undefined ? [] : [found];
}

function member(value: Json, key: string): Json | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  if (Array.isArray(value))
    return /^(?:0|[1-9]\d*)$/.test(key) ? (value as readonly Json[])[Number(key)] : undefined;
  // Own members only: /constructor must not find what every object inherits.
  return Object.hasOwn(value, key) ? (value as { readonly [name: string]: Json })[key] : undefined;
}

function fits(item: Json, key: string, equals: string): boolean {
  const found = member(item, key);
  return found !== undefined && (typeof found === 'string' ? found : JSON.stringify(found)) === equals;
}

function described(value: Json): string {
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value !== 'object' || value === null) return 'no more below it';
  const keys = Object.keys(value);
  if (keys.length === 0) return 'an object without keys';
  const more = keys.length > SHOWN_KEYS ? `, and ${keys.length - SHOWN_KEYS} more` : '';
  return `an object with the keys ${keys.slice(0, SHOWN_KEYS).join(', ')}${more}`;
}

function wrong(why: string): AppError {
  return new AppError('INPUT_INVALID', why);
}
