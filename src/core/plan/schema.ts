import type { Json, JsonObject } from '../../protocol/json';
import { isIndex, ownValue, tokensOf, valueAt } from '../pointer';

/** JSON Schemas as zod writes them. What this does not understand counts as anything: a doubt never refuses a plan. */
const ANYTHING: JsonObject = {};
/** Of recursive and hostile schemas only so much is looked at. */
const LOOKS = 2_000;

export interface SchemaView {
  readonly root: JsonObject;
  looks: number;
}

export function viewOf(root: JsonObject): SchemaView {
  return { root, looks: LOOKS };
}

/** In place of an index: whichever entry. */
export const EACH: unique symbol = Symbol('each');
export type Token = string | typeof EACH;

/** The schemas of what can stand at a pointer of a document of this schema; none where the schema excludes it. */
export function schemasAt(root: JsonObject, tokens: readonly Token[]): readonly JsonObject[] {
  const view = viewOf(root);
  let at: readonly JsonObject[] = variantsOf(root, view);
  for (const token of tokens)
    at = at.flatMap((schema) => inside(schema, token).flatMap((found) => variantsOf(found, view)));
  return at;
}

/** A schema as its alternatives, none of which refers elsewhere or offers a choice. */
export function variantsOf(schema: Json | undefined, view: SchemaView): readonly JsonObject[] {
  if (schema === false) return [];
  view.looks -= 1;
  if (!isObject(schema) || view.looks < 0) return [ANYTHING];
  const ref = schema['$ref'];
  if (typeof ref === 'string')
    return ref.startsWith('#') ? variantsOf(resolved(ref, view), view) : [ANYTHING];
  const choice = schema['anyOf'] ?? schema['oneOf'];
  if (isList(choice)) return choice.flatMap((one) => variantsOf(one, view));
  return 'allOf' in schema ? [ANYTHING] : [schema];
}

function resolved(ref: string, { root }: SchemaView): Json | undefined {
  return valueAt(root, tokensOf(ref.slice(1)));
}

function inside(schema: JsonObject, token: Token): readonly Json[] {
  if (token === EACH) return mayBe(schema, 'array') ? [...anyEntry(schema)] : [];
  const property = isObject(schema['properties']) ? ownValue(schema['properties'], token) : undefined;
  if (property !== undefined) return [property];
  const objects = mayBe(schema, 'object') ? (schema['additionalProperties'] ?? ANYTHING) : false;
  const entries = mayBe(schema, 'array') ? entrySchema(schema, token) : false;
  const open = 'patternProperties' in schema ? [ANYTHING] : [];
  return [objects, entries, ...open].filter((found) => found !== false);
}

function entrySchema(schema: JsonObject, token: string): Json {
  if (!isIndex(token)) return false;
  const first = isList(schema['prefixItems']) ? schema['prefixItems'][Number(token)] : undefined;
  return first ?? schema['items'] ?? ANYTHING;
}

function anyEntry(schema: JsonObject): readonly Json[] {
  const { prefixItems, items = ANYTHING } = schema;
  return [...(isList(prefixItems) ? prefixItems : []), items].filter((found) => found !== false);
}

type TypeName = 'object' | 'array' | 'string' | 'number' | 'boolean' | 'null';

/** Whether a value of this type can match a schema without alternatives. */
export function mayBe(schema: JsonObject, type: TypeName): boolean {
  const { type: named, enum: values, const: only } = schema;
  if (only !== undefined) return typeOf(only) === type;
  if (isList(values)) return values.some((value) => typeOf(value) === type);
  if (named === undefined) return true;
  const names = isList(named) ? named : [named];
  return names.includes(type) || (type === 'number' && names.includes('integer'));
}

/** The types that a schema names, in words. */
export function typesInWords({ type }: JsonObject): string {
  const names = (isList(type) ? type : [type]).filter((name) => typeof name === 'string');
  return names.join(' or ') || 'anything';
}

/** Whether just this value can match a schema without alternatives, as far as types and listed values tell. */
export function mayEqual(schema: JsonObject, value: Json): boolean {
  if (schema['const'] !== undefined) return schema['const'] === value;
  if (isList(schema['enum'])) return schema['enum'].includes(value);
  return mayBe(schema, typeOf(value));
}

export function typeOf(value: Json): TypeName {
  if (value === null) return 'null';
  if (isList(value)) return 'array';
  const type = typeof value;
  return type === 'string' || type === 'number' || type === 'boolean' ? type : 'object';
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isList(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value);
}
