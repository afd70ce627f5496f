import type { Json } from '../../protocol/json';
import type { Predicate } from '../../protocol/predicate';

/** What must stand at a pointer for its being asked to make a difference. */
export type Wanted =
  | { readonly what: 'anything' }
  | { readonly what: 'type'; readonly types: readonly ('string' | 'number' | 'boolean' | 'array')[] }
  | { readonly what: 'equal'; readonly values: readonly Json[] }
  | { readonly what: 'prefix'; readonly value: string };

/** One comparison of a predicate, and where it is written. */
export interface Comparison {
  readonly path: string;
  readonly pointer: string;
  readonly wanted: Wanted;
}

export function comparisonsOf(predicate: Predicate, path: string): readonly Comparison[] {
  if ('pointer' in predicate) return [{ path, pointer: predicate.pointer, wanted: wantedBy(predicate) }];
  if (predicate.op === 'not') return comparisonsOf(predicate.of, `${path}.of`);
  return predicate.of.flatMap((part, index) => comparisonsOf(part, `${path}.of[${index}]`));
}

function wantedBy(part: Extract<Predicate, { pointer: string }>): Wanted {
  switch (part.op) {
    case 'exists':
      return { what: 'anything' };
    case 'eq':
    case 'ne':
      return { what: 'equal', values: [part.value] };
    case 'in':
      return { what: 'equal', values: part.values };
    case 'prefix':
      return { what: 'prefix', value: part.value };
    case 'gt':
    case 'gte':
    case 'lt':
    case 'lte':
      return { what: 'type', types: [typeof part.value === 'number' ? 'number' : 'string'] };
  }
}
