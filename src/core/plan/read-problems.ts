import type { JsonObject } from '../../protocol/json';
import { LIMITS } from '../../protocol/limits';
import { pointerOf } from '../pointer';
import type { Wanted } from './comparisons';
import type { Place } from './places';
import { type Catalogue, listed, type PlanProblem } from './problem';
import { type Read, readsOf } from './reads';
import { EACH, isList, isObject, mayBe, mayEqual, schemasAt, type Token, typesInWords } from './schema';
import { type EntryShape, findIn, type Found } from './shapes';

/** What is wrong with where a plan looks: at nothing, at what a schema excludes, or for what can never stand there. */
export function readProblems(root: Place, catalogue: Catalogue): readonly PlanProblem[] {
  const reads = readsOf(root);
  return [...reads.flatMap((read) => problemsOf(read, catalogue)), ...tooMany(reads, root)];
}

function problemsOf(read: Read, catalogue: Catalogue): readonly PlanProblem[] {
  const { path, pointer, wanted, target } = read;
  if (!('shape' in target)) return [{ path, ...target }];
  const found = findIn(target.shape, target.tokens);
  const schemas = found.flatMap((one) => schemasOf(one, catalogue));
  if (schemas.length === 0)
    return [
      {
        path,
        message: `asks for "${pointer}", which ${madeBy(findIn(target.shape, []))} never has`,
        hint: fieldsHint(read, catalogue),
      },
    ];
  if (schemas.some((schema) => mayGive(schema, wanted))) return [];
  const hint = `what stands there is ${listed(schemas.map(inWords), 'nothing')}`;
  return [
    { path, message: `wants ${wantedInWords(wanted)} at "${pointer}", which never stands there`, hint },
  ];
}

function schemasOf(found: Found, catalogue: Catalogue): readonly JsonObject[] {
  if ('schema' in found) return schemasAt(found.schema, found.tokens);
  return schemasIn(found.at, found.tokens, catalogue);
}

function schemasIn(
  shape: EntryShape['of'],
  tokens: readonly Token[],
  catalogue: Catalogue,
): readonly JsonObject[] {
  switch (shape.kind) {
    case 'entry':
      return schemasIn(shape.of, [...shape.tokens, EACH, ...tokens], catalogue);
    case 'schema':
      return schemasAt(shape.schema, tokens);
    case 'open':
      return schemasAt({}, tokens);
    case 'made': {
      const agent = shape.agent === undefined ? undefined : catalogue.agents.get(shape.agent);
      return schemasAt(agent?.outputSchema ?? {}, tokens);
    }
  }
}

function mayGive(schema: JsonObject, wanted: Wanted): boolean {
  switch (wanted.what) {
    case 'anything':
      return true;
    case 'type':
      return wanted.types.some((type) => mayBe(schema, type));
    case 'equal':
      return wanted.values.some((value) => mayEqual(schema, value));
    case 'prefix':
      return mayBegin(schema, wanted.value);
  }
}

function mayBegin(schema: JsonObject, prefix: string): boolean {
  const listedValues = schema['const'] === undefined ? schema['enum'] : [schema['const']];
  if (isList(listedValues))
    return listedValues.some((value) => typeof value === 'string' && value.startsWith(prefix));
  return mayBe(schema, 'string');
}

function madeBy(found: readonly Found[]): string {
  const agents = found.flatMap((one) =>
    'at' in one && one.at.kind === 'made' && one.at.agent !== undefined ? [`"${one.at.agent}"`] : [],
  );
  if (found.some((one) => 'at' in one && one.at.kind === 'entry')) return 'an entry';
  return agents.length === 0 ? 'the output' : `the output of ${[...new Set(agents)].join(' or ')}`;
}

/** The fields there are where the way ends: one key before the end, or as far as it goes. */
function fieldsHint({ target }: Read, catalogue: Catalogue): string {
  if (!('shape' in target)) return '';
  for (let length = target.tokens.length - 1; length >= 0; length -= 1) {
    const tokens = target.tokens.slice(0, length);
    const schemas = findIn(target.shape, tokens).flatMap((one) => schemasOf(one, catalogue));
    const fields = schemas.flatMap(({ properties }) => (isObject(properties) ? Object.keys(properties) : []));
    const where = length === 0 ? 'it' : `its "${pointerOf(tokens)}"`;
    if (fields.length > 0) return `${where} has ${listed(fields, 'nothing')}`;
  }
  return 'it has no fields that could be asked for';
}

function wantedInWords(wanted: Wanted): string {
  switch (wanted.what) {
    case 'anything':
      return 'a value';
    case 'type':
      return wanted.types.map((type) => TYPE_WORDS[type]).join(' or ');
    case 'equal':
      return wanted.values.map((value) => JSON.stringify(value)).join(' or ');
    case 'prefix':
      return `a text that begins with ${JSON.stringify(wanted.value)}`;
  }
}

const TYPE_WORDS = {
  string: 'a text',
  number: 'a number',
  boolean: 'a truth value',
  array: 'a list',
} as const;

function inWords(schema: JsonObject): string {
  const { enum: values, const: only } = schema;
  if (only !== undefined) return JSON.stringify(only);
  if (isList(values)) return values.map((value) => JSON.stringify(value)).join(', ');
  return typesInWords(schema);
}

/** Every fact travels with the result that it is of, so there cannot be many. */
function tooMany(reads: readonly Read[], { path }: Place): readonly PlanProblem[] {
  const places = new Map<string, Set<string>>();
  for (const { target } of reads)
    for (const found of 'shape' in target ? findIn(target.shape, target.tokens) : []) {
      if (!('at' in found)) continue;
      const key = sourceOf(found.at);
      places.set(key, (places.get(key) ?? new Set()).add(pointerOf(found.tokens)));
    }
  return [...places]
    .filter(([, pointers]) => pointers.size > LIMITS.factsPerOutput)
    .map(([key, pointers]) => ({
      path,
      message: `asks for ${pointers.size} different places of ${key}; the limit is ${LIMITS.factsPerOutput}`,
      hint: 'let the agent put what is to be decided on into fewer fields',
    }));
}

function sourceOf(at: Extract<Found, { at: object }>['at']): string {
  if (at.kind === 'made') return `the output of step ${at.address}`;
  if (at.kind === 'entry') return `an entry of step ${at.map}`;
  if (at.source === undefined) return 'an entry';
  return at.source.from === 'context' ? `the context's "${at.source.key}"` : `the ${at.source.from}`;
}
