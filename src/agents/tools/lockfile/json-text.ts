import type { Json } from '../../../protocol/json';
import { AppError } from '../../../protocol/failures';
import { syntaxErrorOffset } from './json-syntax';
import { Pacer } from './pacer';
import { extendPointer, shortPointer } from './pointer';

/** Deeper than any lock file npm writes; what is deeper was made to exhaust a stack. */
const MAX_JSON_DEPTH = 256;

/** The bytes as text without a byte order mark. */
export function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new AppError('INPUT_UNREADABLE', 'not UTF-8 text', { cause });
  }
}

/** Parses JSON; a syntax error names line and column, a hostile depth the pointer where it starts. */
export async function parseJson(text: string): Promise<Json> {
  let value: Json;
  try {
    value = JSON.parse(text) as Json;
  } catch (cause) {
    throw new AppError('INPUT_UNREADABLE', describeSyntaxError(text), { cause });
  }
  if (await isDeeperThan(text, MAX_JSON_DEPTH)) {
    const where = shortPointer(pointerAtDepth(value, MAX_JSON_DEPTH));
    throw new AppError('INPUT_INVALID', `${where} is nested deeper than ${MAX_JSON_DEPTH} levels`);
  }
  return value;
}

function describeSyntaxError(text: string): string {
  const offset = syntaxErrorOffset(text) ?? text.length;
  const before = text.slice(0, offset);
  const line = before.split('\n').length;
  const column = offset - before.lastIndexOf('\n');
  const place = `line ${line}, column ${column} (offset ${offset})`;
  if (/^(?:<<<<<<<|=======|>>>>>>>|\|\|\|\|\|\|\|)/.test(text.slice(offset, offset + 7))) {
    return `not JSON at ${place}: a merge conflict is left in it; resolve it (npm install does) and try again`;
  }
  if (offset >= text.trimEnd().length) return `not JSON: it ends too early, at ${place}`;
  return `not JSON at ${place}: unexpected ${JSON.stringify(text.charAt(offset))}`;
}

async function isDeeperThan(text: string, limit: number): Promise<boolean> {
  const pacer = new Pacer();
  const quote = 34;
  let depth = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (inString) {
      if (code === 92) i++;
      else if (code === quote) inString = false;
    } else if (code === quote) inString = true;
    else if (code === 123 || code === 91) {
      if (++depth > limit) return true;
    } else if (code === 125 || code === 93) depth--;
    if ((i & 0xf_ffff) === 0 && pacer.due()) await pacer.pause();
  }
  return false;
}

/** Pointer of the first container found at this depth, by a walk that keeps its own stack. */
function pointerAtDepth(document: Json, depth: number): string {
  const stack: { value: Json; pointer: string; depth: number }[] = [
    { value: document, pointer: '', depth: 1 },
  ];
  for (let here = stack.pop(); here !== undefined; here = stack.pop()) {
    if (typeof here.value !== 'object' || here.value === null) continue;
    if (here.depth > depth) return here.pointer;
    for (const [key, value] of Object.entries(here.value)) {
      stack.push({ value: value as Json, pointer: extendPointer(here.pointer, key), depth: here.depth + 1 });
    }
  }
  return '';
}
