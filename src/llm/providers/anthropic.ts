import Anthropic from '@anthropic-ai/sdk';
import type {
  ContentBlock,
  ContentBlockParam,
  Message,
  MessageCreateParamsNonStreaming,
  RawMessageStreamEvent,
} from '@anthropic-ai/sdk/resources/messages/messages';
import type { Json } from '../../protocol/json';
import { answerInvalid, streamEnded, type Attempt } from '../failures';
import { overHttp, type HttpProviderOptions } from '../http';
import { tokensOrNull, UNKNOWN_USAGE, type ModelIdentity } from '../model-error';
import type { ModelChunk, ModelMessage, ModelProvider, ModelReply, ModelRequest, ModelUsage } from '../port';
import { ownState, toReply, type Asked, type RawAnswer } from '../reply';
import { hasReferences, planSchema, schemaInstruction } from '../schema';
import { type BlockMessage, cachedMessages, cachedSystem, cachedTools } from './anthropic-cache';
import { AnthropicStream } from './anthropic-stream';

const BASE_URL = 'https://api.anthropic.com';
/** The model taken where none is configured. */
export const ANTHROPIC_DEFAULT_MODEL = 'claude-sonnet-5-5';
/** The API wants a bound with every request, and thinking counts towards it. */
const DEFAULT_MAX_TOKENS = 32_000;

type Body = Omit<MessageCreateParamsNonStreaming, 'stream'>;

/** Models that take a forced tool call; those that think by themselves refuse one. */
const TAKES_FORCED_TOOLS = /^claude-(?:\d|(?:opus|sonnet|haiku)-(?:4|5(?:-\d{8})?$))/;
const MUST_CALL = 'Answer by calling at least one of the tools, not in words.';

/** Anthropic through its Messages API, with prompt caching of tools, system text and a conversation that goes on. */
export function anthropicProvider(options: HttpProviderOptions): ModelProvider {
  const identity: ModelIdentity = { provider: 'anthropic', model: options.model ?? ANTHROPIC_DEFAULT_MODEL };
  const baseUrl = options.baseUrl ?? BASE_URL;
  return overHttp(
    {
      identity,
      baseUrl,
      async send(request, attempt) {
        const { body, asked } = toBody(request, identity);
        const client = anthropicClient(baseUrl, options, attempt);
        const message = await client.messages.create({ ...body, stream: false }, requestOptions(attempt));
        return readMessage(message, asked, attempt);
      },
      async *stream(request, attempt) {
        const { body, asked } = toBody(request, identity);
        const client = anthropicClient(baseUrl, options, attempt);
        const opening = client.messages.create({ ...body, stream: true }, requestOptions(attempt));
        yield* readStream(attempt.call.each(await attempt.call.until(opening)), asked, attempt);
      },
      async count(request, attempt) {
        const { max_tokens: _, ...body } = toBody(request, identity).body;
        const client = anthropicClient(baseUrl, options, attempt);
        const counted = await client.messages.countTokens(body, requestOptions(attempt));
        return (
          tokensOrNull(counted.input_tokens) ??
          Promise.reject(answerInvalid('the count is not a number', attempt))
        );
      },
      async check(attempt) {
        await anthropicClient(baseUrl, options, attempt).models.list({ limit: 1 }, requestOptions(attempt));
      },
    },
    options,
  );
}

/** A client for one call. Everything that the SDK would otherwise read from the environment is set. */
function anthropicClient(baseURL: string, { apiKey }: HttpProviderOptions, { call }: Attempt): Anthropic {
  return new Anthropic({
    apiKey: apiKey ?? 'none',
    webhookKey: null,
    baseURL,
    fetch: call.fetch,
    timeout: call.bounds.timeoutMs,
    maxRetries: 0,
    // At any other level the SDK prints the lines of a stream that it cannot parse.
    logLevel: 'off',
    openTelemetry: false,
  });
}

function requestOptions({ call }: Attempt): { signal: AbortSignal; timeout: number; maxRetries: number } {
  return { signal: call.signal, timeout: call.bounds.timeoutMs, maxRetries: 0 };
}

function toBody(request: ModelRequest, identity: ModelIdentity): { body: Body; asked: Asked } {
  const schema = request.schema === undefined ? undefined : planSchema(request.schema);
  const enforced = schema !== undefined && schema.strict && !hasReferences(schema.schema);
  const told = schema === undefined || enforced ? undefined : schemaInstruction(schema);
  const forced = request.toolChoice === 'required' && !TAKES_FORCED_TOOLS.test(identity.model);
  const system = [request.system, told, forced ? MUST_CALL : undefined].filter(Boolean).join('\n\n');
  const tools = (request.tools ?? []).map(({ name, description, parameters }) => ({
    name,
    description,
    input_schema: { ...parameters, type: 'object' as const },
  }));
  const choice = { auto: 'auto', none: 'none', required: forced ? 'auto' : 'any' } as const;
  const messages = toMessages(request.messages, identity);
  const goesOn = tools.length > 0 || messages.length > 1;
  const body: Body = {
    model: identity.model,
    max_tokens: request.maxOutputTokens ?? DEFAULT_MAX_TOKENS,
    messages: goesOn ? cachedMessages(messages) : messages,
    ...(system === '' ? {} : { system: cachedSystem(system) }),
    ...(tools.length === 0
      ? {}
      : { tools: cachedTools(tools), tool_choice: { type: choice[request.toolChoice ?? 'auto'] } }),
    ...(enforced ? { output_config: { format: { type: 'json_schema', schema: { ...schema.schema } } } } : {}),
  };
  return { body, asked: { identity, request, schema } };
}

/** All results of one turn's tool calls must come together in the user message that follows it. */
function toMessages(messages: readonly ModelMessage[], identity: ModelIdentity): BlockMessage[] {
  const params: BlockMessage[] = [];
  for (const message of messages) {
    const role = message.role === 'assistant' ? 'assistant' : 'user';
    const last = params.at(-1);
    if (last?.role === role && role === 'user') last.content.push(...toBlocks(message, identity));
    else params.push({ role, content: toBlocks(message, identity) });
  }
  return params;
}

function toBlocks(message: ModelMessage, identity: ModelIdentity): ContentBlockParam[] {
  if (message.role === 'tool') {
    const { toolCallId, text, failed = false } = message;
    return [
      { type: 'tool_result', tool_use_id: toolCallId, content: text, ...(failed ? { is_error: true } : {}) },
    ];
  }
  // Thinking is signed together with its place: all of the turn goes back as it came.
  const own = ownState(message, identity);
  if (own !== undefined) return own as unknown as ContentBlockParam[];
  const calls = message.role === 'assistant' ? (message.toolCalls ?? []) : [];
  const uses = calls.map(({ id, name, arguments: input }) => ({
    type: 'tool_use' as const,
    id,
    name,
    input,
  }));
  // The API takes no empty text.
  if (message.text.trim() === '' && uses.length > 0) return uses;
  return [{ type: 'text', text: message.text.trim() === '' ? '(empty)' : message.text }, ...uses];
}

function readMessage(message: Message, asked: Asked, attempt: Attempt): ModelReply {
  if (!Array.isArray(message?.content)) throw answerInvalid('the answer is not a message', attempt);
  const toolCalls = message.content.flatMap((block) =>
    block.type === 'tool_use'
      ? [{ id: block.id, name: block.name, arguments: JSON.stringify(block.input ?? {}) }]
      : [],
  );
  return toReply({ ...rawAnswer(message, asked.identity), toolCalls }, asked);
}

function rawAnswer(message: Message, identity: ModelIdentity): RawAnswer {
  const { model, content, stop_reason: reason, usage } = message;
  return {
    model,
    text: content.flatMap((block) => (block.type === 'text' ? [block.text] : [])).join(''),
    toolCalls: [],
    finish: readFinish(reason),
    usage: readUsage(usage),
    state: stateOf(content, identity),
  };
}

function readFinish(reason: Message['stop_reason']): RawAnswer['finish'] {
  if (reason === 'refusal') return 'refused';
  if (reason === 'max_tokens' || reason === 'model_context_window_exceeded') return 'length';
  return reason === null || reason === undefined ? 'none' : 'stop';
}

/** `input_tokens` leaves out what the cache took part in; ours is the whole input. */
function readUsage(usage: Message['usage'] | undefined): ModelUsage {
  if (usage === undefined || usage === null) return UNKNOWN_USAGE;
  const fresh = tokensOrNull(usage.input_tokens);
  const cached = tokensOrNull(usage.cache_read_input_tokens);
  const written = tokensOrNull(usage.cache_creation_input_tokens);
  return {
    inputTokens: fresh === null ? null : fresh + (cached ?? 0) + (written ?? 0),
    outputTokens: tokensOrNull(usage.output_tokens),
    cachedInputTokens: cached,
    cacheWriteTokens: written,
    reasoningTokens: tokensOrNull(usage.output_tokens_details?.thinking_tokens),
  };
}

function stateOf(content: readonly ContentBlock[], { provider, model }: ModelIdentity): RawAnswer['state'] {
  if (!content.some((block) => block.type === 'thinking' || block.type === 'redacted_thinking'))
    return undefined;
  return { provider, model, items: content as unknown as Json };
}

async function* readStream(
  events: AsyncIterable<RawMessageStreamEvent>,
  asked: Asked,
  attempt: Attempt,
): AsyncGenerator<ModelChunk, void, undefined> {
  const stream = new AnthropicStream(asked.identity);
  for await (const event of events) {
    const chunk = stream.take(event);
    if (chunk !== undefined) yield chunk;
    if (event.type === 'message_stop') break;
  }
  const { message, toolCalls } = stream.whole();
  if (message === undefined || message.stop_reason === null) throw streamEnded(attempt);
  yield { type: 'end', reply: toReply({ ...rawAnswer(message, asked.identity), toolCalls }, asked) };
}
