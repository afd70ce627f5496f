type Expect = 'value' | 'value-or-end' | 'key' | 'key-or-end' | 'colon' | 'comma-or-end' | 'nothing';

interface Scan {
  readonly text: string;
  readonly open: string[];
  expect: Expect;
}

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const LITERAL = /true|false|null/y;

/**
 * Offset of the first character at which the text stops being JSON; null where it is JSON throughout.
 * JSON.parse says a position for some errors and only quotes the text for others, so the failure path looks again.
 */
export function syntaxErrorOffset(text: string): number | null {
  const scan: Scan = { text, open: [], expect: 'value' };
  let at = skipSpace(text, 0);
  while (at < text.length) {
    const next = consume(scan, at);
    if (next === null) return errorWithin(text, at);
    at = skipSpace(text, next);
  }
  return scan.expect === 'nothing' ? null : text.length;
}

/** The offset after the token at `at`, or null where the token may not stand there. */
function consume(scan: Scan, at: number): number | null {
  const char = scan.text.charAt(at);
  switch (scan.expect) {
    case 'nothing':
      return null;
    case 'colon':
      if (char !== ':') return null;
      scan.expect = 'value';
      return at + 1;
    case 'comma-or-end':
      return consumeCommaOrEnd(scan, at);
    case 'key':
    case 'key-or-end':
      if (char === '}' && scan.expect === 'key-or-end') return close(scan, at);
      if (char !== '"') return null;
      scan.expect = 'colon';
      return stringEnd(scan.text, at);
    case 'value':
    case 'value-or-end':
      if (char === ']' && scan.expect === 'value-or-end') return close(scan, at);
      return consumeValue(scan, at);
  }
}

function consumeCommaOrEnd(scan: Scan, at: number): number | null {
  const char = scan.text.charAt(at);
  const container = scan.open.at(-1);
  if (char === ',') {
    scan.expect = container === '{' ? 'key' : 'value';
    return at + 1;
  }
  return char === (container === '{' ? '}' : ']') ? close(scan, at) : null;
}

function consumeValue(scan: Scan, at: number): number | null {
  const char = scan.text.charAt(at);
  if (char === '{' || char === '[') {
    scan.open.push(char);
    scan.expect = char === '{' ? 'key-or-end' : 'value-or-end';
    return at + 1;
  }
  const end = char === '"' ? stringEnd(scan.text, at) : wordEnd(scan.text, at);
  scan.expect = scan.open.length === 0 ? 'nothing' : 'comma-or-end';
  return end;
}

function close(scan: Scan, at: number): number {
  scan.open.pop();
  scan.expect = scan.open.length === 0 ? 'nothing' : 'comma-or-end';
  return at + 1;
}

function wordEnd(text: string, at: number): number | null {
  for (const pattern of [NUMBER, LITERAL]) {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match !== null && match[0] !== '') return at + match[0].length;
  }
  return null;
}

function stringEnd(text: string, start: number): number | null {
  for (let at = start + 1; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 34) return at + 1;
    if (code < 32) return null;
    if (code !== 92) continue;
    const escape = /^(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/.exec(text.slice(at + 1, at + 6));
    if (escape === null) return null;
    at += escape[0].length;
  }
  return null;
}

/** A broken string is reported where it breaks, not where it starts. */
function errorWithin(text: string, at: number): number {
  if (text.charAt(at) !== '"' || stringEnd(text, at) !== null) return at;
  for (let i = at + 1; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 32) return i;
    if (code === 92) {
      if (!/^(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/.test(text.slice(i + 1, i + 6))) return i;
      i++;
    }
  }
  return text.length;
}

function skipSpace(text: string, from: number): number {
  let at = from;
  while (at < text.length && ' \t\n\r'.includes(text.charAt(at))) at++;
  return at;
}
