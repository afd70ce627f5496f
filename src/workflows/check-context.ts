import type { ContextBatch, ImmediateWrite, NumberedWrite } from '../protocol/context';
import { LIMITS } from '../protocol/limits';
import { nestedDeeperThan } from '../protocol/nesting';
import {
  anything,
  type Check,
  isObject,
  listOf,
  mapOf,
  matching,
  objectOf,
  optional,
  text,
  whole,
} from './check';
import { fail } from './failure';

const PROBLEM_CHARS = 500;
/** A value, and the batch around it. */
const DEPTH = LIMITS.valueDepth + 10;

const ref: Check = (value, place) =>
  isObject(value) && typeof value['blob'] === 'string' ? undefined : `${place} must be a reference`;

/** A value as agents' workers send it. */
const value: Check = (given, place) => {
  if (isObject(given) && 'inline' in given) return undefined;
  return isObject(given) && 'ref' in given ? ref(given['ref'], `${place}.ref`) : `${place} must be a value`;
};

const OPS: Readonly<Record<ImmediateWrite['op'], Check>> = {
  set: value,
  merge: value,
  append: value,
  'compare-and-set': value,
  delete: anything,
};

const write: Check = (given, place) => {
  const op = isObject(given) ? given['op'] : undefined;
  if (!isObject(given) || !isOp(op)) return `${place}.op must be one of ${Object.keys(OPS).join(', ')}`;
  const version = op === 'compare-and-set' ? whole(0, Number.MAX_SAFE_INTEGER) : anything;
  return (
    text(given['key'], `${place}.key`) ??
    version(given['version'], `${place}.version`) ??
    OPS[op](given['value'], `${place}.value`)
  );
};

function isOp(op: unknown): op is ImmediateWrite['op'] {
  return typeof op === 'string' && Object.hasOwn(OPS, op);
}

const batch = objectOf<ContextBatch>({
  writes: listOf(
    objectOf<NumberedWrite>({
      address: matching(/^[0-9a-z.#~]{1,400}$/, 'an address'),
      number: whole(1, LIMITS.contextWritesAtOnce),
      write,
    }),
    { min: 1, max: LIMITS.contextWritesPerBatch },
  ),
  facts: optional(mapOf(mapOf(anything))),
  recall: optional(anything),
});

/** Throws INPUT_INVALID: anybody may send an update, with anything. */
export function checkBatch(given: unknown): void {
  const problem = nestedDeeperThan(DEPTH, given)
    ? `batch is nested deeper than ${DEPTH} levels`
    : batch(given, 'batch');
  if (problem !== undefined) fail('INPUT_INVALID', problem.slice(0, PROBLEM_CHARS));
}

/** The keys that a query names. */
export function checkContextKeys(keys: unknown): readonly string[] {
  const problem = listOf(text, { min: 0, max: LIMITS.contextWritesPerBatch })(keys, 'keys');
  return problem === undefined ? (keys as readonly string[]) : fail('INPUT_INVALID', problem);
}
