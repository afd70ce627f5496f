import type { z } from 'zod';
import type { Json } from '../protocol/json';
import { ModelError } from './model-error';
import type { CallOptions, ModelMessage, ModelProvider, ModelReply, ModelRequest } from './port';
import { jsonIn } from './schema';

const MOST_REPAIRS = 2;
const SHOWN_ISSUES = 8;

/** A request whose answer must have a shape. */
export interface StructuredRequest<T extends z.ZodType> extends ModelRequest {
  readonly schema: { readonly name: string; readonly type: T };
}

export interface StructuredOptions extends CallOptions {
  /** How often the model may be shown what was wrong with its answer; 2 unless told, and at most. */
  readonly repairs?: number;
}

/** A parsed answer, and every reply it took to get it. */
export interface StructuredReply<T> {
  readonly value: T;
  readonly reply: ModelReply;
  readonly attempts: readonly ModelReply[];
}

/** Asks for an answer of a shape and parses it; a wrong one is repaired at most twice, then MODEL_ANSWER_INVALID. */
export async function invokeStructured<T extends z.ZodType>(
  provider: ModelProvider,
  request: StructuredRequest<T>,
  { repairs = MOST_REPAIRS, ...options }: StructuredOptions = {},
): Promise<StructuredReply<z.output<T>>> {
  const attempts: ModelReply[] = [];
  let messages = request.messages;
  for (;;) {
    const reply = await provider.invoke({ ...request, messages }, options);
    attempts.push(reply);
    const parsed = parse(reply.text, request.schema.type);
    if (parsed.success) return { value: parsed.value, reply, attempts };
    if (attempts.length > Math.min(repairs, MOST_REPAIRS)) throw invalid(provider, parsed.problem, attempts);
    messages = [...request.messages, ...repair(reply, parsed.problem)];
  }
}

type Parsed<T> =
  | { readonly success: true; readonly value: T }
  | { readonly success: false; readonly problem: string };

function parse<T extends z.ZodType>(text: string, type: T): Parsed<z.output<T>> {
  const json: Json | undefined = jsonIn(text);
  if (json === undefined) return { success: false, problem: 'it is not JSON' };
  const result = type.safeParse(json);
  if (result.success) return { success: true, value: result.data };
  const issues = result.error.issues
    .slice(0, SHOWN_ISSUES)
    .map(({ path, message }) => `${path.join('.') || 'the value'}: ${message}`);
  return { success: false, problem: issues.join('; ') };
}

/** Only the last wrong answer is shown: all of them would teach the model its mistakes. */
function repair({ text, state }: ModelReply, problem: string): ModelMessage[] {
  return [
    { role: 'assistant', text, ...(state === undefined ? {} : { state }) },
    {
      role: 'user',
      text: `That answer cannot be used: ${problem}. Answer again with the corrected JSON only.`,
    },
  ];
}

function invalid(
  { name, model }: ModelProvider,
  problem: string,
  attempts: readonly ModelReply[],
): ModelError {
  const tries = attempts.length === 1 ? '' : ` after ${attempts.length} attempts`;
  // No usage: each attempt was a reply with a usage of its own. And no answer: zod's messages name keys and types only.
  return new ModelError(
    'MODEL_ANSWER_INVALID',
    `the answer does not have the wanted shape${tries}: ${problem}`,
    {
      provider: name,
      model,
    },
  );
}
