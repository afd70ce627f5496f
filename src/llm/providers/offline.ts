import { AppError } from '../../protocol/failures';
import { readPrompt, type GivenDocument } from '../documents';
import { ModelError, UNKNOWN_USAGE, type ModelIdentity } from '../model-error';
import type { CallOptions, ModelChunk, ModelProvider, ModelReply, ModelRequest, ToolCall } from '../port';
import { jsonSchemaOf } from '../schema';
import { estimateTokens } from '../tokens';
import { chooseTools } from '../offline/choose-tools';
import { extract } from '../offline/extract';
import { evidenceOf, fill } from '../offline/fill';
import { OFFLINE_NOTE, termsOf, type Sentence } from '../offline/sentences';

/** What the provider without a model calls its way of answering. */
export const OFFLINE_MODEL = 'extractive-1';
const IDENTITY: ModelIdentity = { provider: 'offline', model: OFFLINE_MODEL };
const CHARS_PER_TOKEN = 3.5;
/** Fewer sentences than this are a question, not a text to extract from. */
const FEW_SENTENCES = 4;
const NUMBER_WORDS = ['one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine', 'ten'];
const ASKED_LENGTH = new RegExp(
  `\\b(\\d{1,2}|${NUMBER_WORDS.join('|')})(?:[ -]\\w+)? (?:sentences?|points?|bullets?|lines?|items?)\\b`,
  'i',
);

/**
 * Works without any model: chooses sentences, fills schemas with what the text literally holds, calls tools that the
 * task names. The same request always gets the same answer. Its usage is unknown, since nobody counts or bills it.
 */
export function offlineProvider(): ModelProvider {
  return {
    name: IDENTITY.provider,
    model: IDENTITY.model,
    invoke: (request, options = {}) => settle(options, () => answer(request)),
    async *invokeStreaming(request, options = {}) {
      const reply = await settle(options, () => answer(request));
      yield* inSteps(reply, options);
    },
    countTokens: (request, options = {}) => settle(options, () => estimateTokens(request)),
    check: (options = {}) => settle(options, () => undefined),
  };
}

/** Everything here is computed at once; a promise all the same, and an aborted caller gets nothing. */
async function settle<T>({ signal }: CallOptions, compute: () => T): Promise<T> {
  signal?.throwIfAborted();
  const value = compute();
  await Promise.resolve();
  signal?.throwIfAborted();
  return value;
}

async function* inSteps(
  reply: ModelReply,
  { signal }: CallOptions,
): AsyncGenerator<ModelChunk, void, undefined> {
  for (const { id, name, arguments: given } of reply.toolCalls) {
    yield { type: 'tool-call', id, name, argumentsDelta: JSON.stringify(given) };
  }
  for (const part of reply.text.match(/[^\n]*\n|[^\n]+/g) ?? []) {
    signal?.throwIfAborted();
    yield { type: 'text', text: part };
  }
  await Promise.resolve();
  signal?.throwIfAborted();
  yield { type: 'end', reply };
}

function answer(request: ModelRequest): ModelReply {
  const { task, documents } = conversation(request);
  const calls = request.toolChoice === 'none' ? [] : chooseTools(request, task);
  if (calls.length > 0) return reply('', calls);
  if (request.toolChoice === 'required')
    throw cannot('the task names no tool call that could be made as it is written');
  if (request.schema !== undefined) return reply(structured(request.schema, task, documents), []);
  return reply(prose(request, task, documents), []);
}

function reply(text: string, toolCalls: readonly ToolCall[]): ModelReply {
  const finishReason = toolCalls.length > 0 ? 'tool-calls' : 'stop';
  return { ...IDENTITY, text, toolCalls, finishReason, usage: UNKNOWN_USAGE };
}

/** The task, which a remark within the conversation does not replace, and all material of the conversation. */
function conversation({ messages }: ModelRequest): { task: string; documents: readonly GivenDocument[] } {
  const prompts = messages.flatMap((message) => (message.role === 'user' ? [readPrompt(message.text)] : []));
  const documents = prompts.flatMap((prompt) => prompt.documents);
  const prompt = prompts.findLast(({ marked }) => marked) ?? prompts.at(-1);
  return { task: prompt?.task ?? '', documents };
}

function structured(
  schema: NonNullable<ModelRequest['schema']>,
  task: string,
  documents: readonly GivenDocument[],
): string {
  let filled: unknown;
  try {
    filled = fill(jsonSchemaOf(schema), evidenceOf(task, documents));
  } catch (error) {
    if (AppError.is(error)) throw cannot(error.message);
    throw error;
  }
  const checked = schema.type.safeParse(filled);
  if (checked.success) return JSON.stringify(filled);
  const [issue] = checked.error.issues;
  throw cannot(`${issue?.path.join('.') ?? 'the answer'}: ${issue?.message ?? 'does not match'}`);
}

function cannot(why: string): ModelError {
  const message = `this cannot be answered by extraction, without a model (${why}); configure a model provider`;
  return new ModelError('MODEL_UNSUPPORTED', message, IDENTITY);
}

function prose(request: ModelRequest, task: string, documents: readonly GivenDocument[]): string {
  const results = toolResults(request);
  const { sentences } = evidenceOf(task, documents);
  const chars = request.maxOutputTokens === undefined ? Infinity : request.maxOutputTokens * CHARS_PER_TOKEN;
  // Results of tools answer the task themselves; without material there is nothing to add to them.
  const nothingMore = documents.length === 0 && results.length > 0;
  const chosen = nothingMore
    ? []
    : extract(sentences, { terms: termsOf(task), sentences: lengthOf(task, sentences.length), chars });
  const lines = [...results, ...written(chosen, documents.length)];
  if (lines.length === 0) lines.push('Nothing was given to extract an answer from.');
  else if (documents.length === 0 && results.length === 0 && sentences.length < FEW_SENTENCES) {
    lines.unshift('Answering this takes a model, or text to answer it from. The task itself says:');
  }
  return `${lines.join('\n')}\n\n${OFFLINE_NOTE}`;
}

/** One paragraph from one text; from several, a list that says what each sentence was taken from. */
function written(chosen: readonly Sentence[], documents: number): string[] {
  if (documents < 2) return chosen.length === 0 ? [] : [chosen.map(({ text }) => closed(text)).join(' ')];
  return chosen.map(({ text, document }) => `- ${text} [${document}]`);
}

/** Items of a list end in all kinds of ways; a sentence in a paragraph ends. */
function closed(item: string): string {
  const text = item.replace(/[;,](?:\s+(?:and|or))?$/, '');
  return /[\p{L}\d"'”’)\]]$/u.test(text) && !/[.!?…:。！？]["'”’)\]]*$/.test(text) ? `${text}.` : text;
}

function lengthOf(task: string, sentences: number): number {
  const asked = ASKED_LENGTH.exec(task)?.[1]?.toLowerCase();
  if (asked !== undefined) return Math.max(1, NUMBER_WORDS.indexOf(asked) + 1 || Number(asked) || 1);
  return Math.min(10, Math.max(3, Math.ceil(Math.sqrt(sentences))));
}

function toolResults({ messages }: ModelRequest): string[] {
  const calls = new Map(
    messages.flatMap((message) =>
      message.role === 'assistant' ? (message.toolCalls ?? []).map((call) => [call.id, call] as const) : [],
    ),
  );
  return messages.flatMap((message) => {
    if (message.role !== 'tool') return [];
    const call = calls.get(message.toolCallId);
    const what = call === undefined ? 'tool' : `${call.name} ${spoken(call.arguments)}`.trim();
    return [`${what}${message.failed === true ? ' failed: ' : ' = '}${message.text}`];
  });
}

function spoken(given: ToolCall['arguments']): string {
  const values = typeof given === 'object' && given !== null ? Object.values(given) : [given];
  return values.map((value) => (typeof value === 'string' ? value : JSON.stringify(value))).join(', ');
}
