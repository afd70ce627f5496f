import { LIMITS } from '../protocol/limits';
import { unstorable } from '../core/text';
import type { Faults } from './refusal';

/** How many bytes a field of a request may have, and what to do with more. */
const SIZES = {
  task: [LIMITS.taskBytes, 'shorten it, or upload the text and pass its reference'],
  input: [LIMITS.inputBytes, 'upload large parts and pass references'],
  plan: [LIMITS.planBytes, 'split the work into several runs'],
} as const;

type Fields = Readonly<Partial<Record<keyof typeof SIZES, unknown>>>;

/** What is larger than it may be: a text by its own bytes, anything else by those of its JSON. */
export function sizeFaults(fields: Fields): readonly Faults[] {
  return textsOf(fields).flatMap(([field, text]) => {
    const [limit, hint] = SIZES[field];
    const bytes = Buffer.byteLength(text);
    if (bytes <= limit) return [];
    const message = `has ${bytes} bytes; the limit is ${limit}`;
    return { code: 'INPUT_TOO_LARGE', problems: [{ path: field, message, hint }] };
  });
}

/** What holds characters that cannot be stored. */
export function characterFaults(fields: Fields): readonly Faults[] {
  return textsOf(fields).flatMap(([field, text]) => {
    const character = unstorable(typeof fields[field] === 'string' ? JSON.stringify(text) : text);
    if (character === undefined) return [];
    return {
      code: 'INPUT_INVALID',
      problems: [{ path: field, message: `holds ${character}`, hint: 'remove it' }],
    };
  });
}

function textsOf(fields: Fields): readonly [keyof typeof SIZES, string][] {
  const names = Object.keys(SIZES) as (keyof typeof SIZES)[];
  return names.flatMap((name): [keyof typeof SIZES, string][] => {
    const value = fields[name];
    if (value === undefined) return [];
    return [[name, typeof value === 'string' ? value : JSON.stringify(value)]];
  });
}
