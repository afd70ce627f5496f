import type { Json } from '../protocol/json';
import type { Predicate, Scalar } from '../protocol/predicate';
import { tokensOf, valueAt } from './pointer';

/** Answers what stands at a JSON pointer; undefined where nothing does. */
export type Look = (pointer: string) => Json | undefined;

/** Whether a predicate holds in a JSON document. Never throws; bounded by the predicate's own size. */
export function holds(predicate: Predicate, document: Json): boolean {
  return evaluate(predicate, (pointer) => valueAt(document, tokensOf(pointer)));
}

/** The same for a document that answers pointer by pointer, since parts of it may not be loaded. */
export function evaluate(predicate: Predicate, look: Look): boolean {
  switch (predicate.op) {
    case 'and':
      return predicate.of.every((part) => evaluate(part, look));
    case 'or':
      return predicate.of.some((part) => evaluate(part, look));
    case 'not':
      return !evaluate(predicate.of, look);
    case 'eq':
      return look(predicate.pointer) === predicate.value;
    case 'ne':
      return look(predicate.pointer) !== predicate.value;
    case 'in':
      return isOneOf(predicate.values, look(predicate.pointer));
    case 'exists':
      return look(predicate.pointer) !== undefined;
    case 'prefix': {
      const found = look(predicate.pointer);
      return typeof found === 'string' && found.startsWith(predicate.value);
    }
    case 'gt':
    case 'gte':
    case 'lt':
    case 'lte':
      return isOrdered(predicate.op, look(predicate.pointer), predicate.value);
  }
}

/** Every pointer that a predicate asks for, each once. */
export function pointersOf(predicate: Predicate): readonly string[] {
  if ('pointer' in predicate) return [predicate.pointer];
  const parts = predicate.op === 'not' ? [predicate.of] : predicate.of;
  return [...new Set(parts.flatMap(pointersOf))];
}

function isOneOf(values: readonly Scalar[], found: Json | undefined): boolean {
  return values.some((value) => value === found);
}

type Ordering = 'gt' | 'gte' | 'lt' | 'lte';

function isOrdered(op: Ordering, found: Json | undefined, value: number | string): boolean {
  if (typeof found === 'number' && typeof value === 'number') return inOrder(op, found, value);
  if (typeof found === 'string' && typeof value === 'string') return inOrder(op, found, value);
  return false;
}

function inOrder<T extends number | string>(op: Ordering, a: T, b: T): boolean {
  switch (op) {
    case 'gt':
      return a > b;
    case 'gte':
      return a >= b;
    case 'lt':
      return a < b;
    case 'lte':
      return a <= b;
  }
}
