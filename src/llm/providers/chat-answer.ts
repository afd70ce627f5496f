import type { ChatCompletion, ChatCompletionChunk } from 'openai/resources/chat/completions';
import { answerInvalid, faultFailure, faultInBody, streamEnded, type Attempt } from '../failures';
import { tokensOrNull, UNKNOWN_USAGE } from '../model-error';
import type { ModelChunk, ModelReply, ModelUsage } from '../port';
import { Gathered, toReply, type Asked, type RawAnswer } from '../reply';
import { readToldCalls } from './told-tools';

type Choice = ChatCompletion.Choice;

/** How a request was put, and whether its tools had to be told in words. */
export interface ChatAsked extends Asked {
  readonly toldTools: boolean;
}

/** Reads a whole answer. Calls are looked for in its text where the tools were told in words. */
export function readCompletion(completion: ChatCompletion, asked: ChatAsked, attempt: Attempt): ModelReply {
  if (!Array.isArray(completion?.choices)) {
    // Gateways answer 200 with an error inside.
    const { error } = (completion ?? {}) as { error?: unknown };
    if (error === undefined || error === null) throw answerInvalid('the answer is not a completion', attempt);
    throw faultFailure(faultInBody({ error }), attempt);
  }
  const choice = completion.choices[0];
  if (choice?.message === undefined) throw answerInvalid('the answer has no choices', attempt);
  const { content, refusal, tool_calls: calls } = choice.message;
  const answer: RawAnswer = {
    model: completion.model,
    text: content ?? '',
    toolCalls: (calls ?? []).flatMap((call) =>
      call.type === 'custom'
        ? []
        : [{ id: call.id, name: call.function.name, arguments: call.function.arguments }],
    ),
    finish: readFinish(choice.finish_reason, Boolean(refusal)),
    usage: readUsage(completion.usage),
  };
  return toReply(asked.toldTools ? readToldCalls(answer, asked.request) : answer, asked);
}

function readFinish(reason: Choice['finish_reason'] | null, refused: boolean): RawAnswer['finish'] {
  if (refused || reason === 'content_filter') return 'refused';
  if (reason === 'length') return 'length';
  return reason === null || reason === undefined ? 'none' : 'stop';
}

function readUsage(usage: ChatCompletion['usage'] | null): ModelUsage {
  if (usage === undefined || usage === null) return UNKNOWN_USAGE;
  return {
    inputTokens: tokensOrNull(usage.prompt_tokens),
    outputTokens: tokensOrNull(usage.completion_tokens),
    cachedInputTokens: tokensOrNull(usage.prompt_tokens_details?.cached_tokens),
    cacheWriteTokens: tokensOrNull(usage.prompt_tokens_details?.cache_write_tokens),
    reasoningTokens: tokensOrNull(usage.completion_tokens_details?.reasoning_tokens),
  };
}

/** Reads a streamed answer. */
export async function* readStream(
  chunks: AsyncIterable<ChatCompletionChunk>,
  asked: Asked,
  attempt: Attempt,
): AsyncGenerator<ModelChunk, void, undefined> {
  const gathered = new Gathered(asked.identity);
  let finish: Choice['finish_reason'] | null = null;
  let refused = false;
  let model: string | undefined;
  let usage: ModelUsage = UNKNOWN_USAGE;
  for await (const chunk of chunks) {
    model ??= chunk.model;
    if (chunk.usage) usage = readUsage(chunk.usage);
    const choice = chunk.choices?.[0];
    if (choice === undefined) continue;
    finish = choice.finish_reason ?? finish;
    refused ||= Boolean(choice.delta?.refusal);
    yield* readDelta(choice.delta ?? {}, gathered);
  }
  // The SDK swallows the closing [DONE], and some servers send none: the finish reason is what says complete.
  if (finish === null) throw streamEnded(attempt);
  const answer = { ...gathered.whole(), model, finish: readFinish(finish, refused), usage };
  yield { type: 'end', reply: toReply(answer, asked) };
}

function* readDelta(
  delta: ChatCompletionChunk.Choice.Delta,
  gathered: Gathered,
): Generator<ModelChunk, void, undefined> {
  // Not OpenAI's own fields: llama.cpp, vLLM and DeepSeek send the one, Ollama and OpenRouter the other.
  const { reasoning_content: first, reasoning: second } = delta as {
    reasoning_content?: unknown;
    reasoning?: unknown;
  };
  const reasoning = first ?? second;
  if (typeof reasoning === 'string' && reasoning !== '') {
    gathered.weigh(reasoning);
    yield { type: 'reasoning', text: reasoning };
  }
  if (delta.content) {
    gathered.text(delta.content);
    yield { type: 'text', text: delta.content };
  }
  for (const call of delta.tool_calls ?? []) {
    if (call.id !== undefined || call.function?.name !== undefined) {
      gathered.call(call.index, call.id, call.function?.name ?? '');
    }
    const argumentsDelta = call.function?.arguments ?? '';
    yield { type: 'tool-call', ...gathered.arguments(call.index, argumentsDelta), argumentsDelta };
  }
}
