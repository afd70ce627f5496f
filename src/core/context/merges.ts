import type { Json } from '../../protocol/json';

/**
 * Makes one value of the one that a key holds and the one that is given; undefined where they do not fit each other. Called
 * wherever it is asked what a merge comes to, and again in every replay of a run: the same values must always give the same.
 */
export type Merge = (current: Json | undefined, given: Json) => Json | undefined;

const merges = new Map<string, Merge>([
  ['last', (_, given) => given],
  ['max', (current, given) => largest(current, given)],
  ['append', (current, given) => appended(current, given)],
  ['union', (current, given) => union(current, given)],
]);

/**
 * Defines a merge of one's own, for plans to name. To be called where the module is loaded, in the file of workflows and in
 * the worker: the run applies it, and agents foresee what it comes to.
 */
export function defineMerge(name: string, merge: Merge): void {
  merges.set(name, merge);
}

export function mergeNamed(name: string): Merge | undefined {
  return merges.get(name);
}

/** The names that are known here, for whoever asked for another. */
export function mergeNames(): readonly string[] {
  return [...merges.keys()];
}

/** Adds one entry to a list; a key without a value becomes a list of one. */
export function appended(current: Json | undefined, given: Json): Json | undefined {
  if (current === undefined) return [given];
  return isList(current) ? [...current, given] : undefined;
}

/** Of two numbers, or of two texts by UTF-16 code units. */
function largest(current: Json | undefined, given: Json): Json | undefined {
  if (typeof given === 'number' && (current === undefined || typeof current === 'number'))
    return current === undefined || given > current ? given : current;
  if (typeof given === 'string' && (current === undefined || typeof current === 'string'))
    return current === undefined || given > current ? given : current;
  return undefined;
}

/** The entries of both lists, each once, in the order of their texts: whichever comes first, the outcome is the same. */
function union(current: Json | undefined, given: Json): Json | undefined {
  if (!isList(given) || (current !== undefined && !isList(current))) return undefined;
  const entries = [...(current ?? []), ...given].map((entry) => [canonical(entry), entry] as const);
  return [...new Map(entries.toSorted(([a], [b]) => (a < b ? -1 : Number(a > b)))).values()];
}

/** JSON text of a value, the same whatever the order of its keys. */
export function canonical(json: Json): string {
  return JSON.stringify(json, (_, value: Json) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
    return Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  });
}

// Array.isArray does not narrow a readonly array.
function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}
