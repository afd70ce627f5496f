import type {
  ChatCompletion,
  ChatCompletionChunk,
  ChatCompletionCreateParamsNonStreaming,
  ChatCompletionMessageParam,
} from 'openai/resources/chat/completions';
import { answerInvalid, faultFailure, faultInBody, streamEnded, type Attempt } from '../failures';
import { overHttp, type HttpProviderOptions } from '../http';
import { tokensOrNull, UNKNOWN_USAGE, type ModelIdentity } from '../model-error';
import type { ModelChunk, ModelMessage, ModelProvider, ModelReply, ModelRequest, ModelUsage } from '../port';
import { Gathered, toReply, type Asked, type RawAnswer } from '../reply';
import { planSchema, schemaInstruction, type SchemaPlan } from '../schema';
import { listModels, openAiClient, requestOptions } from './openai-client';

/** The model asked for where none is configured; servers that hold one model take any name. */
export const COMPATIBLE_DEFAULT_MODEL = 'default';

type Body = Omit<ChatCompletionCreateParamsNonStreaming, 'stream'>;
type Choice = ChatCompletion.Choice;

/** Any server that speaks OpenAI's Chat Completions: llama.cpp, Ollama, vLLM, LM Studio, gateways. `baseUrl` must be given. */
export function openAiCompatibleProvider(
  options: HttpProviderOptions & { readonly baseUrl: string },
): ModelProvider {
  const identity: ModelIdentity = {
    provider: 'openai-compatible',
    model: options.model ?? COMPATIBLE_DEFAULT_MODEL,
  };
  const { baseUrl } = options;
  return overHttp(
    {
      identity,
      baseUrl,
      async send(request, attempt) {
        const { body, asked } = toBody(request, identity);
        const completions = openAiClient(baseUrl, options, attempt).chat.completions;
        const completion = await completions.create({ ...body, stream: false }, requestOptions(attempt));
        return readCompletion(completion, asked, attempt);
      },
      async *stream(request, attempt) {
        const { body, asked } = toBody(request, identity);
        const completions = openAiClient(baseUrl, options, attempt).chat.completions;
        const streaming = { ...body, stream: true as const, stream_options: { include_usage: true } };
        const opening = completions.create(streaming, requestOptions(attempt));
        yield* readStream(attempt.call.each(await attempt.call.until(opening)), asked, attempt);
      },
      check: (attempt) => listModels(openAiClient(baseUrl, options, attempt), attempt),
    },
    options,
  );
}

function toBody(request: ModelRequest, identity: ModelIdentity): { body: Body; asked: Asked } {
  const schema = request.schema === undefined ? undefined : planSchema(request.schema);
  const tools = (request.tools ?? []).map(({ name, description, parameters }) => ({
    type: 'function' as const,
    function: { name, description, parameters: { ...parameters } },
  }));
  const body: Body = {
    model: identity.model,
    messages: [...systemMessage(request, schema), ...request.messages.map(toMessage)],
    ...(tools.length === 0 ? {} : { tools, tool_choice: request.toolChoice ?? 'auto' }),
    // llama.cpp refuses a response format beside tools; the instruction in the system message remains.
    ...(schema === undefined || tools.length > 0 ? {} : { response_format: responseFormat(schema) }),
    ...(request.maxOutputTokens === undefined ? {} : { max_tokens: request.maxOutputTokens }),
    ...(request.temperature === undefined ? {} : { temperature: request.temperature }),
  };
  return { body, asked: { identity, request, schema } };
}

function responseFormat({ name, schema, strict }: SchemaPlan): NonNullable<Body['response_format']> {
  return { type: 'json_schema', json_schema: { name, schema: { ...schema }, strict } };
}

/** The schema goes into words as well: some servers take a response format and ignore it. */
function systemMessage(
  { system }: ModelRequest,
  schema: SchemaPlan | undefined,
): ChatCompletionMessageParam[] {
  const content = [system, schema && schemaInstruction(schema)].filter(Boolean).join('\n\n');
  return content === '' ? [] : [{ role: 'system', content }];
}

function toMessage(message: ModelMessage): ChatCompletionMessageParam {
  if (message.role === 'user') return { role: 'user', content: message.text };
  if (message.role === 'tool')
    return { role: 'tool', tool_call_id: message.toolCallId, content: message.text };
  const calls = (message.toolCalls ?? []).map(({ id, name, arguments: given }) => ({
    id,
    type: 'function' as const,
    function: { name, arguments: JSON.stringify(given) },
  }));
  return { role: 'assistant', content: message.text, ...(calls.length === 0 ? {} : { tool_calls: calls }) };
}

function readCompletion(completion: ChatCompletion, asked: Asked, attempt: Attempt): ModelReply {
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
  return toReply(answer, asked);
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
    reasoningTokens: tokensOrNull(usage.completion_tokens_details?.reasoning_tokens),
  };
}

async function* readStream(
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
