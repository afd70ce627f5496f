import { z } from 'zod';

/** Any JSON value: what agents take and return, what contexts and events hold. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
export const Json: z.ZodType<Json, Json> = z.json() as z.ZodType<Json, Json>;

export type JsonObject = { readonly [key: string]: Json };
export const JsonObject: z.ZodType<JsonObject, JsonObject> = z.record(z.string(), Json);

/** A large value kept once per tenant, addressed by the SHA-256 of its bytes (lower-case hex). */
export const BlobRef = z.strictObject({
  blob: z.string().regex(/^[0-9a-f]{64}$/, 'must be a SHA-256 in lower-case hex'),
  bytes: z.int().nonnegative(),
  mediaType: z.string().min(1),
});
export type BlobRef = z.infer<typeof BlobRef>;

/** What stands at a JSON pointer of a large value. */
export const BlobPart = z.strictObject({ of: BlobRef, pointer: z.string() });
export type BlobPart = z.infer<typeof BlobPart>;

/**
 * A value as histories and rows carry it: small ones inline, large ones by reference. Records and lists let a workflow
 * combine values it never loads.
 */
export type Value =
  | { readonly inline: Json }
  | { readonly ref: BlobRef }
  | { readonly part: BlobPart }
  | { readonly record: { readonly [key: string]: Value } }
  | { readonly list: readonly Value[] };
export const Value: z.ZodType<Value, Value> = z.lazy(() =>
  z.union([
    z.strictObject({ inline: Json }),
    z.strictObject({ ref: BlobRef }),
    z.strictObject({ part: BlobPart }),
    z.strictObject({ record: z.record(z.string(), Value) }),
    z.strictObject({ list: z.array(Value) }),
  ]),
);
