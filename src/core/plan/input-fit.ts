import type { Json, JsonObject } from '../../protocol/json';
import { ownValue } from '../pointer';
import { isList, isObject, mayBe, typeOf, typesInWords, variantsOf, viewOf, type SchemaView } from './schema';

/** One thing in a value that its schema does not take: where in it, and why. */
export interface Misfit {
  readonly path: string;
  readonly message: string;
}

/** What of a value its schema does not take. Patterns and formats are left to the agent, whose own schema parses it again. */
export function misfitsOf(schema: JsonObject, value: Json): readonly Misfit[] {
  return misfits({ schema, value, path: '' }, viewOf(schema)).slice(0, 20);
}

interface Fit {
  readonly schema: Json;
  readonly value: Json;
  readonly path: string;
}

function misfits({ schema, value, path }: Fit, view: SchemaView): readonly Misfit[] {
  const variants = variantsOf(schema, view);
  if (variants.length === 0) return [{ path, message: 'is not taken' }];
  const tries = variants.map((variant) => within(variant, { value, path }, view));
  if (tries.some((found) => found.length === 0)) return [];
  // The alternative of the same type says what is wrong; another only that it is another.
  const meant = variants.findIndex((variant) => mayBe(variant, typeOf(value)) && isMeant(variant, value));
  return tries[Math.max(0, meant)] ?? [];
}

/** Of alternatives that are told apart by a constant field, the one whose constants are there. */
function isMeant({ properties }: JsonObject, value: Json): boolean {
  if (!isObject(properties) || !isObject(value)) return true;
  return Object.entries(properties).every(
    ([key, schema]) => !isObject(schema) || schema['const'] === undefined || schema['const'] === value[key],
  );
}

type Given = Omit<Fit, 'schema'>;

function within(schema: JsonObject, given: Given, view: SchemaView): readonly Misfit[] {
  const { value, path } = given;
  const listed = schema['const'] === undefined ? schema['enum'] : [schema['const']];
  if (isList(listed) && !isObject(value) && !isList(value) && !listed.includes(value))
    return [{ path, message: `must be one of ${listed.map((one) => JSON.stringify(one)).join(', ')}` }];
  if (!mayBe(schema, typeOf(value)))
    return [{ path, message: `must be of type ${typesInWords(schema)}, not ${typeOf(value)}` }];
  if (isObject(value)) return fieldMisfits(schema, { value, path }, view);
  if (isList(value)) return [...sizeMisfits(schema, given), ...entryMisfits(schema, { value, path }, view)];
  return sizeMisfits(schema, given);
}

function fieldMisfits(
  schema: JsonObject,
  { value, path }: { readonly value: JsonObject; readonly path: string },
  view: SchemaView,
): readonly Misfit[] {
  const properties = isObject(schema['properties']) ? schema['properties'] : {};
  const required = isList(schema['required']) ? schema['required'] : [];
  const missing = required
    .filter((key): key is string => typeof key === 'string' && !Object.hasOwn(value, key))
    .map((key) => ({ path: `${path}.${key}`, message: 'is missing' }));
  const rest = 'patternProperties' in schema ? {} : (schema['additionalProperties'] ?? {});
  const wrong = Object.entries(value).flatMap(([key, entry]) => {
    const known = ownValue(properties, key);
    if (known === undefined && rest === false)
      return [
        {
          path: `${path}.${key}`,
          message: `is not known; the schema has ${Object.keys(properties).join(', ') || 'no fields'}`,
        },
      ];
    return misfits({ schema: known ?? rest, value: entry, path: `${path}.${key}` }, view);
  });
  return [...missing, ...wrong];
}

function entryMisfits(
  schema: JsonObject,
  { value, path }: { readonly value: readonly Json[]; readonly path: string },
  view: SchemaView,
): readonly Misfit[] {
  const first = isList(schema['prefixItems']) ? schema['prefixItems'] : [];
  return value.flatMap((entry, index) =>
    misfits({ schema: first[index] ?? schema['items'] ?? {}, value: entry, path: `${path}[${index}]` }, view),
  );
}

/** Each keyword that bounds a size, of what, and in which direction. */
const SIZES = [
  ['minimum', 'at least', (value: Json) => (typeof value === 'number' ? value : undefined)],
  ['maximum', 'at most', (value: Json) => (typeof value === 'number' ? value : undefined)],
  ['minLength', 'at least', (value: Json) => (typeof value === 'string' ? value.length : undefined)],
  ['maxLength', 'at most', (value: Json) => (typeof value === 'string' ? value.length : undefined)],
  ['minItems', 'at least', (value: Json) => (isList(value) ? value.length : undefined)],
  ['maxItems', 'at most', (value: Json) => (isList(value) ? value.length : undefined)],
] as const;

function sizeMisfits(schema: JsonObject, { value, path }: Given): readonly Misfit[] {
  return SIZES.flatMap(([keyword, direction, sizeOf]) => {
    const bound = schema[keyword];
    const size = sizeOf(value);
    if (typeof bound !== 'number' || size === undefined) return [];
    const fits = direction === 'at least' ? size >= bound : size <= bound;
    const what = keyword.endsWith('Length') ? ' characters' : keyword.endsWith('Items') ? ' entries' : '';
    return fits ? [] : [{ path, message: `must be ${direction} ${bound}${what}` }];
  });
}
