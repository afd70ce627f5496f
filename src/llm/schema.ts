import { z } from 'zod';
import type { Json, JsonObject } from '../protocol/json';
import type { AnswerSchema } from './port';

/** A JSON Schema made ready for a provider, and the way back from what the provider answers. */
export interface SchemaPlan {
  readonly name: string;
  /** What to send. Always an object at its root, as every provider's strict mode wants it. */
  readonly schema: JsonObject;
  /** Whether `schema` keeps to the subset that strict modes enforce. */
  readonly strict: boolean;
  /** From the value the model wrote to the value the caller's schema describes. */
  readonly restore: (value: Json) => Json;
}

const WRAPPED = 'value';
/** Keywords that no strict mode takes, and without which the schema would mean something else. */
const INEXPRESSIBLE = [
  'allOf',
  'not',
  'if',
  'prefixItems',
  'propertyNames',
  'patternProperties',
  'contains',
  'dependentRequired',
  'dependentSchemas',
  'unevaluatedProperties',
];
/** Constraints that are told to the model in words; the caller's schema still checks them. */
const TOLD = [
  'minLength',
  'maxLength',
  'pattern',
  'format',
  'minimum',
  'maximum',
  'exclusiveMinimum',
  'exclusiveMaximum',
  'multipleOf',
  'minItems',
  'maxItems',
  'default',
];

/** The JSON Schema of what may be written for a zod type; what JSON Schema cannot say is left open and checked on parsing. */
export function jsonSchemaOf({ type }: AnswerSchema): JsonObject {
  const { $schema: _, ...schema } = z.toJSONSchema(type, { io: 'input', unrepresentable: 'any' }) as {
    $schema?: string;
  };
  return schema as JsonObject;
}

/** Plans how to ask a provider for an answer of this shape. */
export function planSchema(answer: AnswerSchema): SchemaPlan {
  return planJsonSchema(answer.name, jsonSchemaOf(answer));
}

/** Plans how to ask a provider for JSON of this JSON Schema: an answer, or the arguments of a tool. */
export function planJsonSchema(name: string, original: JsonObject): SchemaPlan {
  const wrapped = original['type'] !== 'object';
  const root = wrapped ? wrap(original) : original;
  const strict = selfReferring(original) && wrapped ? undefined : strictly(root);
  const unwrap = (value: Json): Json => {
    if (!wrapped || !isObject(value) || !(WRAPPED in value) || Object.keys(value).length > 1) return value;
    return value[WRAPPED] ?? null;
  };
  return {
    name: name.replaceAll(/[^\w-]/g, '_').slice(0, 64) || 'answer',
    schema: strict ?? root,
    strict: strict !== undefined,
    restore: (value) => dropNulls(unwrap(value), original, original),
  };
}

/** Tells a model without a schema mode what to write. */
export function schemaInstruction({ schema }: SchemaPlan): string {
  return `Answer with one JSON value and nothing else. It must match this JSON Schema:\n${JSON.stringify(schema)}`;
}

/** The JSON in a model's text: bare, in a code fence, or within prose; undefined where there is none. */
export function jsonIn(text: string): Json | undefined {
  const fenced = /```(?:json)?\s*\n([\s\S]*?)\n\s*```/.exec(text)?.[1];
  const from = text.search(/[[{]/);
  const to = Math.max(text.lastIndexOf('}'), text.lastIndexOf(']'));
  const candidates = [text, fenced, from >= 0 && to > from ? text.slice(from, to + 1) : undefined];
  for (const candidate of candidates) {
    if (candidate === undefined) continue;
    try {
      return JSON.parse(candidate) as Json;
    } catch {
      // The next candidate, or none.
    }
  }
  return undefined;
}

function wrap({ $defs, ...schema }: JsonObject): JsonObject {
  const root = {
    type: 'object',
    properties: { [WRAPPED]: schema },
    required: [WRAPPED],
    additionalProperties: false,
  };
  return $defs === undefined ? root : { ...root, $defs };
}

function selfReferring(schema: JsonObject): boolean {
  return JSON.stringify(schema).includes('"$ref":"#"');
}

/** Whether two parts of a schema refer to each other by `$ref`, which not every strict mode takes. */
export function hasReferences(schema: JsonObject): boolean {
  return JSON.stringify(schema).includes('"$ref":');
}

/** The schema within the subset of strict modes; undefined where it does not fit. */
function strictly(schema: Json | undefined): JsonObject | undefined {
  if (!isObject(schema) || INEXPRESSIBLE.some((keyword) => keyword in schema)) return undefined;
  // A reference takes no keyword beside it, a description neither.
  if (typeof schema['$ref'] === 'string') return { $ref: schema['$ref'] };
  const shape = strictShape(schema);
  if (shape === undefined) return undefined;
  const defs = isObject(schema['$defs']) ? mapAll(schema['$defs'], strictly) : {};
  if (defs === undefined) return undefined;
  const description = describe(schema);
  return {
    ...shape,
    ...(description === '' ? {} : { description }),
    ...('$defs' in schema ? { $defs: defs } : {}),
  };
}

function strictShape(schema: JsonObject): JsonObject | undefined {
  const { type, anyOf, oneOf, items } = schema;
  const options = anyOf ?? oneOf;
  if (Array.isArray(options)) {
    const strict = options.map((option: Json) => strictly(option));
    return strict.includes(undefined) ? undefined : { anyOf: strict as JsonObject[] };
  }
  if (type === 'object') return strictObject(schema);
  if (type === 'array') {
    const item = strictly(items);
    return item && { type, items: item };
  }
  if (!isScalarType(type)) return undefined;
  const literals = Object.fromEntries(
    Object.entries(schema).filter(([key]) => key === 'enum' || key === 'const'),
  );
  return { type, ...literals };
}

function strictObject({
  properties,
  required,
  additionalProperties = false,
}: JsonObject): JsonObject | undefined {
  // Keys that are not known beforehand cannot be listed, and strict modes take listed ones only.
  if (additionalProperties !== false) return undefined;
  const strict = mapAll(isObject(properties) ? properties : {}, strictly);
  if (strict === undefined) return undefined;
  const needed = Array.isArray(required) ? (required as Json[]) : [];
  const all = Object.entries(strict).map(
    ([key, value]) => [key, needed.includes(key) ? value : nullable(value)] as const,
  );
  return {
    type: 'object',
    properties: Object.fromEntries(all),
    required: Object.keys(strict),
    additionalProperties: false,
  };
}

/** Strict modes have no optional keys: such a key may be null instead, and `dropNulls` undoes it. */
function nullable(schema: Json): JsonObject {
  return isObject(schema) && acceptsNull(schema, schema) ? schema : { anyOf: [schema, { type: 'null' }] };
}

function describe(schema: JsonObject): string {
  const told = TOLD.filter((keyword) => keyword in schema).map(
    (keyword) => `${keyword} ${JSON.stringify(schema[keyword])}`,
  );
  const given = typeof schema['description'] === 'string' ? schema['description'] : '';
  return [given, told.length > 0 ? `(${told.join(', ')})` : ''].filter(Boolean).join(' ');
}

/** Removes the nulls that stand for keys left out. */
function dropNulls(value: Json, schema: Json | undefined, root: JsonObject): Json {
  if (Array.isArray(value)) {
    const variant = variants(schema, root).find((option) => isObject(option['items']));
    return value.map((item: Json) => dropNulls(item, variant?.['items'], root));
  }
  if (!isObject(value)) return value;
  const variant = variants(schema, root).find((option) => fits(value, option));
  if (variant === undefined) return value;
  const properties = isObject(variant['properties']) ? variant['properties'] : {};
  const required = Array.isArray(variant['required']) ? (variant['required'] as Json[]) : [];
  const kept = Object.entries(value).filter(([key, held]) => {
    return (
      held !== null || required.includes(key) || !(key in properties) || acceptsNull(properties[key], root)
    );
  });
  return Object.fromEntries(kept.map(([key, held]) => [key, dropNulls(held, properties[key], root)]));
}

/** Whether an object could be this variant of a union: all it needs is there, and its literals agree. */
function fits(value: JsonObject, { properties, required }: JsonObject): boolean {
  if (Array.isArray(required) && !required.every((key: Json) => typeof key === 'string' && key in value))
    return false;
  return Object.entries(isObject(properties) ? properties : {}).every(
    ([key, property]) =>
      !isObject(property) || property['const'] === undefined || value[key] === property['const'],
  );
}

/** The schemas a value may match: the union taken apart, references followed. */
function variants(schema: Json | undefined, root: JsonObject, depth = 0): JsonObject[] {
  if (!isObject(schema) || depth > 32) return [];
  const { $ref, anyOf, oneOf } = schema;
  if (typeof $ref === 'string') return variants(resolve($ref, root), root, depth + 1);
  const options = anyOf ?? oneOf;
  if (Array.isArray(options)) return options.flatMap((option: Json) => variants(option, root, depth + 1));
  return [schema];
}

function resolve(reference: string, root: JsonObject): Json | undefined {
  const path = reference.replace(/^#\/?/, '').split('/').filter(Boolean);
  return path.reduce<Json | undefined>((at, key) => (isObject(at) ? at[key] : undefined), root);
}

function acceptsNull(schema: Json | undefined, root: JsonObject): boolean {
  return variants(schema, root).some((option) => {
    const { type, enum: values } = option;
    if (values !== undefined) return listed(values, null);
    if ('const' in option) return option['const'] === null;
    return type === undefined || type === 'null' || listed(type, 'null');
  });
}

function listed(list: Json, value: Json): boolean {
  return Array.isArray(list) && list.includes(value);
}

function mapAll(schemas: JsonObject, map: (schema: Json) => JsonObject | undefined): JsonObject | undefined {
  const mapped = Object.entries(schemas).map(([key, schema]) => [key, map(schema)] as const);
  return mapped.some(([, schema]) => schema === undefined)
    ? undefined
    : (Object.fromEntries(mapped) as JsonObject);
}

function isScalarType(type: Json | undefined): type is string | readonly string[] {
  const scalars = ['string', 'number', 'integer', 'boolean', 'null'];
  const all: readonly Json[] = Array.isArray(type) ? (type as Json[]) : [type ?? ''];
  return all.length > 0 && all.every((one) => typeof one === 'string' && scalars.includes(one));
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
