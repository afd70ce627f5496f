import { z } from 'zod';
import { LIMITS } from './limits';

/** A JSON pointer (RFC 6901): `/last/verdict`, `~1` for a slash in a key, `~0` for a tilde; empty for the whole document. */
export const Pointer = z
  .string()
  .max(LIMITS.pointerChars)
  .regex(/^(?:\/(?:[^~/]|~[01])*)*$/, 'must be a JSON pointer such as /last/verdict');
export type Pointer = z.infer<typeof Pointer>;

const Text = z.string().max(LIMITS.constantChars);
/** What predicates compare with: scalars only, so that little must be known of large documents. */
const Scalar = z.union([Text, z.number(), z.boolean(), z.null()], {
  error: `must be a number, true, false, null or a text of at most ${LIMITS.constantChars} characters`,
});
export type Scalar = z.infer<typeof Scalar>;

const Ordered = z.union([Text, z.number()], { error: 'must be a number or a text' });

const EQUALITIES = ['eq', 'ne'] as const;
const ORDERINGS = ['gt', 'gte', 'lt', 'lte'] as const;

interface Asks {
  readonly pointer: Pointer;
}

/**
 * A condition as data, without code and without regular expressions. What a pointer does not find equals nothing: `ne`
 * and `not` hold for it. Orderings hold between two numbers or two texts (by UTF-16 code units), between nothing else.
 */
export type Predicate =
  | (Asks & { readonly op: (typeof EQUALITIES)[number]; readonly value: Scalar })
  | (Asks & { readonly op: (typeof ORDERINGS)[number]; readonly value: number | string })
  | (Asks & { readonly op: 'in'; readonly values: readonly Scalar[] })
  | (Asks & { readonly op: 'exists' })
  | (Asks & { readonly op: 'prefix'; readonly value: string })
  | { readonly op: 'and' | 'or'; readonly of: readonly Predicate[] }
  | { readonly op: 'not'; readonly of: Predicate };

const Part: z.ZodType<Predicate, Predicate> = z.lazy(() =>
  z.discriminatedUnion(
    'op',
    [
      z.strictObject({ op: z.enum(EQUALITIES), pointer: Pointer, value: Scalar }),
      z.strictObject({ op: z.enum(ORDERINGS), pointer: Pointer, value: Ordered }),
      z.strictObject({
        op: z.literal('in'),
        pointer: Pointer,
        values: z.array(Scalar).min(1, 'must hold at least one value').max(LIMITS.constantsPerPredicate),
      }),
      z.strictObject({ op: z.literal('exists'), pointer: Pointer }),
      z.strictObject({ op: z.literal('prefix'), pointer: Pointer, value: Text.min(1, 'must not be empty') }),
      z.strictObject({
        op: z.enum(['and', 'or']),
        of: z.array(Part).min(1, 'must hold at least one predicate').max(LIMITS.predicateParts),
      }),
      z.strictObject({ op: z.literal('not'), of: Part }),
    ],
    { error: 'op must be one of eq, ne, gt, gte, lt, lte, in, exists, prefix, and, or, not' },
  ),
);

export const Predicate: z.ZodType<Predicate, Predicate> = Part.superRefine((predicate, context) => {
  const { depth, parts } = sizeOf(predicate);
  if (depth > LIMITS.predicateDepth)
    context.addIssue(`is nested ${depth} deep; the limit is ${LIMITS.predicateDepth}`);
  if (parts > LIMITS.predicateParts)
    context.addIssue(`has ${parts} parts; the limit is ${LIMITS.predicateParts}`);
});

function sizeOf(predicate: Predicate): { depth: number; parts: number } {
  if (!('of' in predicate)) return { depth: 1, parts: 1 };
  const inner = (predicate.op === 'not' ? [predicate.of] : predicate.of).map(sizeOf);
  return {
    depth: 1 + Math.max(...inner.map(({ depth }) => depth)),
    parts: inner.reduce((sum, { parts }) => sum + parts, 1),
  };
}
