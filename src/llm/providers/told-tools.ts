import type { Json, JsonObject } from '../../protocol/json';
import type { ModelMessage, ModelRequest, ToolDeclaration } from '../port';
import type { RawAnswer, RawToolCall } from '../reply';
import { jsonIn } from '../schema';

const CALLS = 'tool_calls';
const CHOICE = {
  auto: 'Otherwise answer in words.',
  required: 'Do so now.',
  none: 'Do not call any now; answer in words.',
} as const;

/** Tools told in words, for a server that takes no declarations of them. */
export function toolInstruction(
  tools: readonly ToolDeclaration[],
  choice: ModelRequest['toolChoice'] = 'auto',
): string {
  const form = `{"${CALLS}":[{"name":"...","arguments":{...}}]}`;
  const declared = tools.map(({ name, description, parameters }) =>
    JSON.stringify({ name, description, parameters }),
  );
  return `You can call tools. To call some, answer with this JSON and nothing else: ${form}. ${CHOICE[choice]} The tools:\n${declared.join('\n')}`;
}

/** A conversation with its calls and their results as texts, turns of one side joined: some servers insist that sides alternate. */
export function toldConversation(messages: readonly ModelMessage[]): ModelMessage[] {
  const told: { role: 'user' | 'assistant'; text: string }[] = [];
  for (const message of messages) {
    const { role, text } = toldMessage(message);
    const last = told.at(-1);
    if (last?.role === role) last.text = `${last.text}\n\n${text}`;
    else told.push({ role, text });
  }
  return told;
}

/** Finds the calls that a model wrote down as it was told to; an answer without any is one in words. */
export function readToldCalls(answer: RawAnswer, { messages, toolChoice }: ModelRequest): RawAnswer {
  const written = jsonIn(answer.text);
  const list = isObject(written) ? written[CALLS] : undefined;
  if (!Array.isArray(list) || toolChoice === 'none') return answer;
  const toolCalls = list.flatMap((call: Json, index): RawToolCall[] => {
    if (!isObject(call) || typeof call['name'] !== 'string') return [];
    // The conversation grows with every turn, so that no two turns give the same ids.
    const id = `told_${messages.length}_${index}`;
    return [{ id, name: call['name'], arguments: JSON.stringify(call['arguments'] ?? {}) }];
  });
  return toolCalls.length === 0 ? answer : { ...answer, text: '', toolCalls };
}

function toldMessage(message: ModelMessage): { role: 'user' | 'assistant'; text: string } {
  if (message.role === 'user') return { role: 'user', text: message.text };
  if (message.role === 'tool') {
    const outcome = message.failed === true ? 'failed' : 'returned';
    return { role: 'user', text: `Call ${message.toolCallId} ${outcome}:\n${message.text}` };
  }
  const calls = (message.toolCalls ?? []).map(({ name, arguments: given }) => ({ name, arguments: given }));
  const written = calls.length === 0 ? [] : [JSON.stringify({ [CALLS]: calls })];
  return { role: 'assistant', text: [message.text, ...written].filter(Boolean).join('\n\n') };
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
