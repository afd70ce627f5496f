import { z } from 'zod';
import { Json, type JsonObject } from './json';

const MOST_BYTES = 64 * 1024;
/** JSON levels, of which a property takes two. */
const MOST_LEVELS = 40;

const TYPES = ['string', 'number', 'integer', 'boolean', 'null', 'object', 'array'] as const;
type Type = (typeof TYPES)[number];
const FORMATS = ['date', 'date-time', 'time', 'duration', 'email', 'uri', 'uuid', 'ipv4', 'ipv6'] as const;

/** Which keywords mean something to which types: one that means nothing where it stands is a mistake. */
const KEYWORDS_OF: Readonly<Record<string, readonly Type[]>> = {
  properties: ['object'],
  required: ['object'],
  additionalProperties: ['object'],
  items: ['array'],
  minItems: ['array'],
  maxItems: ['array'],
  minLength: ['string'],
  maxLength: ['string'],
  format: ['string'],
  minimum: ['number', 'integer'],
  maximum: ['number', 'integer'],
  exclusiveMinimum: ['number', 'integer'],
  exclusiveMaximum: ['number', 'integer'],
  multipleOf: ['number', 'integer'],
};
const ALTERNATIVES = ['anyOf', 'oneOf', 'enum', 'const'];

const scalar = z.union([z.string(), z.number(), z.boolean(), z.null()]);
const count = z.int().nonnegative().optional();
const bound = z.number().optional();
const schemas = z.lazy(() => z.array(Schema).min(1)).optional();

const Schema: z.ZodType<JsonObject, JsonObject> = z.lazy(() =>
  z
    .strictObject({
      $schema: z.string().optional(),
      title: z.string().optional(),
      description: z.string().optional(),
      default: Json.optional(),
      examples: z.array(Json).optional(),
      type: z.union([z.enum(TYPES), z.array(z.enum(TYPES)).min(1)]).optional(),
      enum: z.array(scalar).min(1).optional(),
      const: scalar.optional(),
      anyOf: schemas,
      oneOf: schemas,
      properties: z.record(z.string(), Schema).optional(),
      required: z.array(z.string()).optional(),
      additionalProperties: z.union([z.boolean(), Schema]).optional(),
      items: Schema.optional(),
      minItems: count,
      maxItems: count,
      minLength: count,
      maxLength: count,
      format: z.enum(FORMATS).optional(),
      minimum: bound,
      maximum: bound,
      exclusiveMinimum: bound,
      exclusiveMaximum: bound,
      multipleOf: z.number().positive().optional(),
    })
    .check(({ value, issues }) => {
      for (const { path, message } of misplaced(value as JsonObject))
        issues.push({ code: 'custom', path: [...path], message, input: value });
    }),
) as z.ZodType<JsonObject, JsonObject>;

/**
 * A JSON Schema that data may bring along: the part of JSON Schema that is checked here exactly as it is written. Regular
 * expressions and references are not taken: either could keep a worker busy for ever.
 */
export const JsonSchema: z.ZodType<JsonObject, JsonObject> = z
  .custom<JsonObject>(
    (value) => levels(value, MOST_LEVELS),
    `must not be nested deeper than ${MOST_LEVELS} levels`,
  )
  .refine((value) => JSON.stringify(value)?.length <= MOST_BYTES, `must have at most ${MOST_BYTES} bytes`)
  .pipe(Schema);

/** A JSON Schema of an object. */
export const ObjectSchema: z.ZodType<JsonObject, JsonObject> = JsonSchema.refine(
  (schema) => schema['type'] === 'object',
  'must be a JSON Schema of type "object"',
);

/** The zod type of a checked JSON Schema. */
export function typeOfSchema(schema: JsonObject): z.ZodType {
  return z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0]);
}

interface Misplaced {
  readonly path: readonly string[];
  readonly message: string;
}

function misplaced(schema: JsonObject): Misplaced[] {
  const { type, properties, required } = schema;
  const types = (typeof type === 'string' ? [type] : (type ?? [])) as readonly Type[];
  const chosen = ALTERNATIVES.filter((keyword) => keyword in schema);
  const found: Misplaced[] = [];
  if (chosen.length > 1) found.push({ path: [], message: `${chosen.join(' and ')} exclude each other` });
  for (const [keyword, belongs] of Object.entries(KEYWORDS_OF)) {
    if (!(keyword in schema)) continue;
    if (chosen.length > 0)
      found.push({ path: [keyword], message: `cannot stand beside ${chosen.join(', ')}` });
    else if (!types.some((one) => belongs.includes(one)))
      found.push({ path: [keyword], message: `needs "type": "${belongs[0]}"` });
  }
  if (types.length > 1 && types.some((one) => one === 'object' || one === 'array'))
    found.push({ path: ['type'], message: 'a list of types takes no object and no array; use anyOf' });
  const known = Object.keys(properties ?? {});
  for (const key of (required ?? []) as readonly string[])
    if (!known.includes(key))
      found.push({ path: ['required'], message: `"${key}" is not among the properties` });
  return found;
}

function levels(value: unknown, left: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return left > 0 && Object.values(value).every((inner) => levels(inner, left - 1));
}
