import { z } from 'zod';
import { Json } from '../../../protocol/json';
import { resolvePointer } from '../lockfile/pointer';

/** Longer texts, and containers with more members, are told by their size: a report must stay readable. */
const MAX_TEXT_CHARS = 4_200;
const MAX_MEMBERS = 20;

/** A JSON pointer (RFC 6901) as evidence states it. */
export const Pointer = z
  .string()
  .max(8_200)
  .regex(/^(?:\/|$)/, 'must be a JSON pointer');

/** What stands at a place: a value, nothing, or in words what is too large to repeat or is no value. */
export const Standing = z.union([
  z.strictObject({ value: Json }),
  z.strictObject({ absent: z.literal(true) }),
  z.strictObject({ is: z.string() }),
]);
export type Standing = z.infer<typeof Standing>;

/** The place where a finding and a document part, and what each of them says of it. */
export interface Contradiction {
  readonly reason: string;
  readonly file: string;
  readonly pointer: string;
  /** What would stand there if the finding were true. */
  readonly expected: Standing;
  /** What stands there. */
  readonly found: Standing;
}

/** The documents that findings cite, by name. */
export type Documents = ReadonlyMap<string, Json>;

/** A place in a document, with the value said to stand there or that nothing does. */
export type Cited = { readonly file: string; readonly pointer: string } & (
  | { readonly value: Json }
  | { readonly absent: true }
);

/** Holds one piece of evidence against its document; null where it holds. */
export function contradictionOf(evidence: Cited, documents: Documents): Contradiction | null {
  const { file, pointer } = evidence;
  const found = standingAt(documents, evidence);
  const place = { file, pointer, found };
  if (!documents.has(file)) {
    const expected = 'value' in evidence ? standingOf(evidence.value) : ABSENT;
    return { ...place, expected, reason: `there is no document ${file} to cite` };
  }
  const value = valueAt(documents, evidence);
  if ('absent' in evidence) {
    if (value === undefined) return null;
    return { ...place, expected: ABSENT, reason: 'it says that nothing stands there, but something does' };
  }
  if (value !== undefined && sameJson(value, evidence.value)) return null;
  const reason = value === undefined ? 'nothing stands there' : 'another value stands there';
  return { ...place, expected: standingOf(evidence.value), reason };
}

/** What stands at a place, fit to be shown. */
export function standingAt(documents: Documents, place: Pick<Cited, 'file' | 'pointer'>): Standing {
  return standingOf(valueAt(documents, place));
}

/** A value fit to be shown. */
function standingOf(value: Json | undefined): Standing {
  if (value === undefined) return ABSENT;
  if (typeof value === 'string' && value.length > MAX_TEXT_CHARS)
    return { is: `a text of ${value.length} characters` };
  if (typeof value !== 'object' || value === null) return { value };
  const members = Object.values(value) as readonly Json[];
  const what = Array.isArray(value) ? 'a list of' : 'an object of';
  if (members.length > MAX_MEMBERS || members.some((member) => !isShort(member)))
    return { is: `${what} ${members.length} ${members.length === 1 ? 'member' : 'members'}` };
  return { value };
}

/** Whether two JSON values say the same; the order of members says nothing. */
export function sameJson(one: Json, other: Json): boolean {
  if (one === other) return true;
  if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null) return false;
  if (Array.isArray(one) !== Array.isArray(other)) return false;
  const members = Object.entries(one) as readonly (readonly [string, Json])[];
  if (members.length !== Object.keys(other).length) return false;
  return members.every(([key, value]) => {
    const twin = Object.hasOwn(other, key) ? (other as { readonly [name: string]: Json })[key] : undefined;
    return twin !== undefined && sameJson(value, twin);
  });
}

const ABSENT: Standing = { absent: true };

function valueAt(documents: Documents, { file, pointer }: Pick<Cited, 'file' | 'pointer'>): Json | undefined {
  const document = documents.get(file);
  return document === undefined ? undefined : resolvePointer(document, pointer);
}

function isShort(value: Json): boolean {
  if (typeof value === 'string') return value.length <= MAX_TEXT_CHARS / MAX_MEMBERS;
  return typeof value !== 'object' || value === null;
}
