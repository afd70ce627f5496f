import { isUndecodable } from '../protocol/undecodable';

/** Says in one line what is wrong with the value at a place; undefined where nothing is. */
export type Check = (value: unknown, place: string) => string | undefined;

/** A check for every field: one that the protocol gains does not compile until it has its own. */
export type Checks<T> = { readonly [K in keyof T]-?: Check };

export function notWanted(value: unknown, place: string, wanted: string): string {
  return isUndecodable(value) ? `${place} cannot be decoded: ${value.undecodable}` : `${place} ${wanted}`;
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !isUndecodable(value);
}

export const anything: Check = () => undefined;

export const text: Check = (value, place) =>
  typeof value === 'string' ? undefined : `${place} must be text`;

export const matching =
  (pattern: RegExp, wanted: string): Check =>
  (value, place) =>
    typeof value === 'string' && pattern.test(value) ? undefined : `${place} must be ${wanted}`;

export const whole =
  (min: number, max: number): Check =>
  (value, place) =>
    typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max
      ? undefined
      : `${place} must be a whole number from ${min} to ${max}`;

export const optional =
  (check: Check): Check =>
  (value, place) =>
    value === undefined ? undefined : check(value, place);

export const listOf =
  (check: Check, { min, max }: { readonly min: number; readonly max: number }): Check =>
  (value, place) => {
    if (!Array.isArray(value)) return `${place} must be a list`;
    if (value.length < min || value.length > max) return `${place} must hold ${min} to ${max} entries`;
    return firstProblem(value.entries(), (index, entry) => check(entry, `${place}[${index}]`));
  };

export const objectOf =
  <T>(checks: Checks<T>): Check =>
  (value, place) => {
    if (!isObject(value)) return `${place} must be an object`;
    return firstProblem(Object.entries<Check>(checks), (name, check) =>
      check(value[name], `${place}.${name}`),
    );
  };

/** Every entry of an object whose keys may be anything. */
export const mapOf =
  (check: Check): Check =>
  (entries, place) =>
    isObject(entries)
      ? firstProblem(Object.values(entries).entries(), (index, entry) => check(entry, `${place}[${index}]`))
      : `${place} must be an object`;

function firstProblem<K, V>(
  entries: Iterable<[K, V]>,
  problemOf: (key: K, value: V) => string | undefined,
): string | undefined {
  for (const [key, value] of entries) {
    const problem = problemOf(key, value);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

export const oneOf =
  (...words: readonly string[]): Check =>
  (value, place) =>
    typeof value === 'string' && words.includes(value)
      ? undefined
      : `${place} must be one of ${words.join(', ')}`;

// It becomes part of an activity's id; the server refuses one that is too long.
export const agentName = matching(/^[a-z][a-z0-9-]{0,63}$/, "an agent's name");
