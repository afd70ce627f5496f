import type { Json, JsonObject } from '../../protocol/json';
import type { ModelRequest, ToolCall, ToolDeclaration } from '../port';
import { termsOf } from './sentences';

const DATES = /\b\d{4}[-/]\d{1,2}[-/]\d{1,2}\b|\b\d{1,2}\/\d{1,2}\/\d{2,4}\b/g;
const QUOTED = /`([^`\n]{1,200})`|"([^"\n]{1,200})"|“([^”\n]{1,200})”/g;
const ASKS_TO_COUNT = /\b(?:what is|what's|calculate|compute|evaluate|work out|how (?:much|many)|minus)\b/i;

/** What of a task can become a tool's argument, each kind in the order it is written. */
interface Pools {
  readonly expression: readonly string[];
  readonly date: readonly string[];
  readonly number: readonly number[];
  readonly quoted: readonly string[];
}

/**
 * The tool calls that a task asks for in so many words: an arithmetic expression for a tool that takes one, a quoted
 * name for a tool that the task mentions. Nothing is guessed, and no call of this conversation is repeated.
 */
export function chooseTools({ tools = [], messages }: ModelRequest, task: string): ToolCall[] {
  const made = messages.flatMap((message) => (message.role === 'assistant' ? (message.toolCalls ?? []) : []));
  const known = new Set(made.map(({ name, arguments: given }) => `${name} ${JSON.stringify(given)}`));
  const pools: Pools = {
    expression: expressionsIn(task),
    date: task.match(/\b\d{4}-\d{2}-\d{2}\b/g) ?? [],
    number: (task.match(/(?<![\w.])-?\d+(?:\.\d+)?\b/g) ?? []).map(Number),
    quoted: [...task.matchAll(QUOTED)].map(([, one, two, three]) => one ?? two ?? three ?? ''),
  };
  return tools
    .flatMap((tool) =>
      argumentsFor(tool, task, pools).map((given) => ({ name: tool.name, arguments: given })),
    )
    .filter(({ name, arguments: given }) => !known.has(`${name} ${JSON.stringify(given)}`))
    .map((call, index) => ({ id: `offline_${made.length + index}`, ...call }));
}

/** The arithmetic expressions of a text; dates, and ranges such as 2-3 where nothing is to be counted, are none. */
export function expressionsIn(text: string): string[] {
  const runs = text.replaceAll(DATES, ';').match(/[\d.,+\-*/^%() \t×÷]+/g) ?? [];
  const counts = ASKS_TO_COUNT.test(text);
  return runs
    .map((run) => balanced(run.replaceAll('×', '*').replaceAll('÷', '/').replaceAll(/\s+/g, ' ').trim()))
    .filter((run) => /[\d)%] ?[-+*/^%] ?[-(]* ?\d/.test(run))
    .filter((run) => counts || !/^[\d.,]+-[\d.,]+$/.test(run));
}

function argumentsFor(tool: ToolDeclaration, task: string, pools: Pools): JsonObject[] {
  const { properties = {}, required = [] } = tool.parameters as {
    properties?: JsonObject;
    required?: readonly string[];
  };
  const kinds = required.map((key) => kindOf(key, properties[key]));
  const [onlyKind] = kinds;
  const [onlyKey] = required;
  // An expression speaks for itself; anything else needs a task that speaks of the tool.
  if (kinds.some((kind) => kind === undefined) || (!kinds.includes('expression') && !isMentioned(tool, task)))
    return [];
  if (onlyKind === undefined || onlyKey === undefined) return [{}];
  if (kinds.length === 1) return pools[onlyKind].map((value) => ({ [onlyKey]: value }));
  const taken: Json[] = [];
  for (const [index, kind] of kinds.entries()) {
    const before = kinds.slice(0, index).filter((earlier) => earlier === kind).length;
    const value = kind && pools[kind][before];
    if (value === undefined) return [];
    taken.push(value);
  }
  return [Object.fromEntries(required.map((key, index) => [key, taken[index] ?? null]))];
}

function kindOf(key: string, schema: Json | undefined): keyof Pools | undefined {
  const {
    type,
    format,
    description = '',
  } = (schema ?? {}) as { type?: string; format?: string; description?: string };
  if (type === 'number' || type === 'integer') return 'number';
  if (type !== 'string') return undefined;
  if (/expression|formula|arithmetic/i.test(`${key} ${description}`)) return 'expression';
  return format === 'date' ? 'date' : 'quoted';
}

/** Whether a task speaks of a tool: by a word of its name, or by two of the words that describe it. */
function isMentioned({ name, description }: ToolDeclaration, task: string): boolean {
  const said = new Set(termsOf(task));
  const named = termsOf(name.replaceAll(/[_-]/g, ' '));
  if (named.some((word) => said.has(word))) return true;
  return new Set(termsOf(description).filter((word) => said.has(word))).size >= 2;
}

/** Cuts away what surrounds an expression in a sentence: its punctuation, and brackets that have no other half. */
function balanced(run: string): string {
  let text = run.replace(/^[^\d(-]+/, '').replace(/[^\d)%]+$/, '');
  for (;;) {
    const open = text.split('(').length - text.split(')').length;
    if (open > 0 && text.startsWith('(')) text = text.slice(1).trimStart();
    else if (open < 0 && text.endsWith(')')) text = text.slice(0, -1).replace(/[^\d)%]+$/, '');
    else return text;
  }
}
