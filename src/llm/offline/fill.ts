import { AppError } from '../../protocol/failures';
import type { Json, JsonObject } from '../../protocol/json';
import { extract, matching } from './extract';
import { readDocuments, termsOf, type Sentence } from './sentences';

/** What structured answers are taken from. */
export interface Evidence {
  readonly task: string;
  readonly sentences: readonly Sentence[];
}

const SUMMARY_KEYS =
  /^(?:summary|text|answer|report|conclusion|result|content|output|description|abstract|value)$/i;
const LIST_ITEMS = 5;
const DATE = /\b\d{4}-\d{2}-\d{2}(?:T[\d:.]+Z?)?\b/g;
const NUMBER = /(?<![\w.])-?\d{1,3}(?:,\d{3})+(?:\.\d+)?\b|(?<![\w.])-?\d+(?:\.\d+)?\b/g;
const FORMATS: Readonly<Record<string, RegExp>> = {
  date: /\b\d{4}-\d{2}-\d{2}\b/,
  'date-time': /\b\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:\d{2})/,
  email: /\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b/,
  uri: /\bhttps?:\/\/[^\s<>"')\]]+/,
};

/** Fills a JSON Schema with what the evidence literally holds. Throws MODEL_UNSUPPORTED where it holds no such thing. */
export function fill(root: JsonObject, evidence: Evidence): Json {
  return fillAny(root, { evidence, root, path: '', about: '' });
}

/** Where in the schema we are; the last key of the path and its description are what to look for. */
interface Place {
  readonly evidence: Evidence;
  readonly root: JsonObject;
  readonly path: string;
  readonly about: string;
}

function fillAny(schema: JsonObject, outer: Place): Json {
  const { $ref, anyOf, oneOf, type, enum: values, description } = schema;
  const place = typeof description === 'string' ? { ...outer, about: description } : outer;
  if (typeof $ref === 'string') return fillAny(target($ref, place), place);
  if ('const' in schema) return schema['const'] ?? null;
  if (Array.isArray(values)) return fillEnum(values as Json[], place);
  const options = anyOf ?? oneOf;
  if (Array.isArray(options)) return firstThatFills(options as JsonObject[], place);
  if (Array.isArray(type))
    return firstThatFills(
      (type as string[]).map((one) => ({ ...schema, type: one })),
      place,
    );
  switch (type) {
    case 'object':
      return fillObject(schema, place);
    case 'array':
      return fillArray(schema, place);
    case 'string':
      return fillString(schema, place);
    case 'number':
    case 'integer':
      return fillNumber(schema, place);
    case 'null':
      return null;
    default:
      throw cannot(place, typeof type === 'string' ? `a ${type} takes judgement` : 'its shape is open');
  }
}

/** Null, where it is allowed, says that nothing was found; it is the last resort, whatever its place in the union. */
function firstThatFills(options: readonly JsonObject[], place: Place): Json {
  const ordered = options.toSorted(
    (one, other) => Number(one['type'] === 'null') - Number(other['type'] === 'null'),
  );
  let reason: unknown;
  for (const option of ordered) {
    try {
      return fillAny(option, place);
    } catch (error) {
      reason ??= error;
    }
  }
  throw AppError.is(reason) ? reason : cannot(place, 'no variant can be met');
}

function fillObject({ properties, required, additionalProperties }: JsonObject, place: Place): JsonObject {
  if (typeof additionalProperties === 'object') throw cannot(place, 'its keys are open');
  const needed = Array.isArray(required) ? (required as Json[]) : [];
  const filled: [string, Json][] = [];
  for (const [key, schema] of Object.entries((properties ?? {}) as Record<string, JsonObject>)) {
    try {
      filled.push([key, fillAny(schema, { ...place, path: `${place.path}/${key}`, about: '' })]);
    } catch (error) {
      if (needed.includes(key) || !AppError.is(error)) throw error;
    }
  }
  return Object.fromEntries(filled);
}

function fillArray({ items, minItems = 0, maxItems = LIST_ITEMS }: JsonObject, place: Place): Json[] {
  const most = Math.max(Number(minItems), Math.min(Number(maxItems), LIST_ITEMS));
  const found = listFor((items ?? {}) as JsonObject, most, place);
  if (found.length === 0) throw cannot(place, 'the text holds nothing to list');
  if (found.length < Number(minItems))
    throw cannot(place, `the text holds ${found.length} of ${Number(minItems)}`);
  return found.slice(0, most);
}

function listFor(item: JsonObject, most: number, place: Place): Json[] {
  const { sentences } = place.evidence;
  if (Array.isArray(item['enum']))
    return (item['enum'] as Json[]).filter((value) => mentions(place, value) > 0);
  const terms = lookFor(place);
  if (item['type'] === 'number' || item['type'] === 'integer') {
    return matching(sentences, terms).flatMap(({ text }) => numbersIn(text, item).map(({ value }) => value));
  }
  if (item['type'] !== 'string')
    throw cannot(place, 'only lists of texts, numbers and named values can be extracted');
  return extract(sentences, { terms, sentences: most, chars: Infinity }).map(({ text }) => text);
}

function fillString(schema: JsonObject, place: Place): string {
  const { sentences, task } = place.evidence;
  const most = Number(schema['maxLength'] ?? Infinity);
  if (typeof schema['format'] === 'string') {
    const format = FORMATS[schema['format']];
    const found =
      format && sentences.map(({ text }) => format.exec(text)?.[0]).find((match) => match !== undefined);
    return found ?? fail(place, `the text holds no ${schema['format']}`);
  }
  const summarises = SUMMARY_KEYS.test(lastKey(place)) || place.path === '';
  const [best] = summarises ? [] : matching(sentences, lookFor(place));
  if (best !== undefined) return shortened(best.text, most);
  const chosen = extract(sentences, { terms: termsOf(task), sentences: summarises ? 4 : 1, chars: most });
  if (chosen.length === 0) throw cannot(place, 'there is no text to take it from');
  return shortened(chosen.map(({ text }) => text).join(' '), most);
}

function fillNumber(schema: JsonObject, place: Place): number {
  const terms = lookFor(place);
  const near = matching(place.evidence.sentences, terms);
  const found = near
    .map(({ text }) => nearest(numbersIn(text, schema), text, terms))
    .find((one) => one !== undefined);
  return found ?? fail(place, 'the text holds no such number');
}

function fillEnum(values: readonly Json[], place: Place): Json {
  const ranked = values
    .map((value) => ({ value, hits: mentions(place, value) }))
    .filter(({ hits }) => hits > 0)
    .toSorted((one, other) => other.hits - one.hits);
  const [first, second] = ranked;
  if (first === undefined) throw cannot(place, `the text mentions none of ${JSON.stringify(values)}`);
  if (second?.hits === first.hits)
    throw cannot(
      place,
      `the text speaks as much for ${JSON.stringify(second.value)} as for ${JSON.stringify(first.value)}`,
    );
  return first.value;
}

function mentions({ evidence }: Place, value: Json): number {
  const words = typeof value === 'string' ? termsOf(value.replaceAll(/[_-]/g, ' ')) : [];
  if (words.length === 0) return 0;
  return evidence.sentences.filter(({ terms }) => words.every((word) => terms.includes(word))).length;
}

interface FoundNumber {
  readonly value: number;
  readonly at: number;
}

function numbersIn(
  text: string,
  { type, minimum = -Infinity, maximum = Infinity }: JsonObject,
): FoundNumber[] {
  // The parts of a date are no quantities.
  const plain = text.replaceAll(DATE, (found) => ' '.repeat(found.length));
  return [...plain.matchAll(NUMBER)]
    .map((found) => ({ value: Number(found[0].replaceAll(',', '')), at: found.index }))
    .filter(({ value }) => value >= Number(minimum) && value <= Number(maximum))
    .filter(({ value }) => type !== 'integer' || Number.isSafeInteger(value));
}

/** The number that stands closest to one of the terms. */
function nearest(
  numbers: readonly FoundNumber[],
  text: string,
  terms: readonly string[],
): number | undefined {
  const lower = text.toLowerCase();
  const places = terms.flatMap((term) => occurrences(lower, term));
  const distance = ({ at }: FoundNumber): number => Math.min(...places.map((place) => Math.abs(place - at)));
  return numbers.toSorted((one, other) => distance(one) - distance(other))[0]?.value;
}

function occurrences(text: string, term: string): number[] {
  const found: number[] = [];
  for (let at = text.indexOf(term); at >= 0; at = text.indexOf(term, at + term.length)) found.push(at);
  return found;
}

/** The terms of a key and its description: what a sentence must speak of to be about it. */
function lookFor(place: Place): string[] {
  const spaced = lastKey(place)
    .replaceAll(/([a-z])([A-Z])/g, '$1 $2')
    .replaceAll(/[_-]/g, ' ');
  return termsOf(`${spaced} ${place.about}`);
}

function lastKey({ path }: Place): string {
  return path.split('/').at(-1) ?? '';
}

function shortened(text: string, chars: number): string {
  if (text.length <= chars) return text;
  const cut = text.slice(0, chars);
  return cut.includes(' ') ? cut.slice(0, cut.lastIndexOf(' ')) : cut;
}

function target(reference: string, { root, path }: Place): JsonObject {
  if (path.split('/').length > 12)
    throw new AppError('MODEL_UNSUPPORTED', 'the shape refers to itself too often');
  const keys = reference.replace(/^#\/?/, '').split('/').filter(Boolean);
  return keys.reduce<Json>((at, key) => (at as JsonObject)[key] ?? {}, root) as JsonObject;
}

function cannot({ path }: Place, why: string): AppError {
  return new AppError('MODEL_UNSUPPORTED', `${path === '' ? 'the answer' : path}: ${why}`);
}

function fail(place: Place, why: string): never {
  throw cannot(place, why);
}

/** Evidence from documents; where there are none, the task is all the text there is. */
export function evidenceOf(
  task: string,
  documents: readonly { readonly name: string; readonly text: string }[],
): Evidence {
  const given = documents.length > 0 ? documents : [{ name: 'task', text: task }];
  return { task, sentences: readDocuments(given) };
}
