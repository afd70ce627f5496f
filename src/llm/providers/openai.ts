import type {
  Response,
  ResponseCreateParamsBase,
  ResponseInputItem,
  ResponseOutputItem,
  ResponseStreamEvent,
} from 'openai/resources/responses/responses';
import type { Json } from '../../protocol/json';
import { answerInvalid, faultFailure, streamEnded, type Attempt } from '../failures';
import { overHttp, type HttpProviderOptions } from '../http';
import { tokensOrNull, UNKNOWN_USAGE, type ModelIdentity } from '../model-error';
import type { ModelChunk, ModelMessage, ModelProvider, ModelReply, ModelRequest, ModelUsage } from '../port';
import { Gathered, ownState, toReply, type Asked, type RawAnswer } from '../reply';
import { planJsonSchema, planSchema } from '../schema';
import { listModels, openAiClient, reasonsByItself, requestOptions } from './openai-client';

const BASE_URL = 'https://api.openai.com/v1';
/** The model taken where none is configured. */
export const OPENAI_DEFAULT_MODEL = 'gpt-5.6-terra';

type Body = Pick<
  ResponseCreateParamsBase,
  | 'model'
  | 'input'
  | 'instructions'
  | 'tools'
  | 'tool_choice'
  | 'text'
  | 'max_output_tokens'
  | 'temperature'
  | 'include'
  | 'store'
>;

const CLOSING: readonly string[] = ['response.completed', 'response.incomplete', 'response.failed'];

/** OpenAI through its Responses API. Nothing is stored at OpenAI; reasoning travels encrypted with the conversation. */
export function openAiProvider(options: HttpProviderOptions): ModelProvider {
  const identity: ModelIdentity = { provider: 'openai', model: options.model ?? OPENAI_DEFAULT_MODEL };
  const baseUrl = options.baseUrl ?? BASE_URL;
  return overHttp(
    {
      identity,
      baseUrl,
      async send(request, attempt) {
        const { body, asked } = toBody(request, identity);
        const response = await openAiClient(baseUrl, options, attempt).responses.create(
          { ...body, stream: false },
          requestOptions(attempt),
        );
        return readResponse(response, asked, attempt);
      },
      async *stream(request, attempt) {
        const { body, asked } = toBody(request, identity);
        const client = openAiClient(baseUrl, options, attempt);
        const opening = client.responses.create({ ...body, stream: true }, requestOptions(attempt));
        yield* readStream(attempt.call.each(await attempt.call.until(opening)), asked, attempt);
      },
      async count(request, attempt) {
        const { model, input, instructions, tools, text } = toBody(request, identity).body;
        const asked = { model: model ?? null, input: input ?? null, instructions: instructions ?? null };
        const counted = await openAiClient(baseUrl, options, attempt).responses.inputTokens.count(
          { ...asked, ...(tools === undefined ? {} : { tools }), ...(text === undefined ? {} : { text }) },
          requestOptions(attempt),
        );
        return (
          tokensOrNull(counted.input_tokens) ??
          Promise.reject(answerInvalid('the count is not a number', attempt))
        );
      },
      check: (attempt) => listModels(openAiClient(baseUrl, options, attempt), attempt),
    },
    options,
  );
}

function toBody(request: ModelRequest, identity: ModelIdentity): { body: Body; asked: Asked } {
  const schema = request.schema === undefined ? undefined : planSchema(request.schema);
  const plans = (request.tools ?? []).map((tool) => ({
    tool,
    plan: planJsonSchema(tool.name, tool.parameters),
  }));
  const reasons = reasonsByItself(identity.model);
  const tools = plans.map(({ tool, plan }) => ({
    type: 'function' as const,
    name: tool.name,
    description: tool.description,
    parameters: { ...plan.schema },
    strict: plan.strict,
  }));
  const body: Body = {
    model: identity.model,
    input: request.messages.flatMap((message) => toInput(message, identity)),
    store: false,
    ...(request.system === undefined ? {} : { instructions: request.system }),
    ...(tools.length === 0 ? {} : { tools, tool_choice: request.toolChoice ?? 'auto' }),
    ...(schema === undefined
      ? {}
      : {
          text: {
            format: {
              type: 'json_schema',
              name: schema.name,
              schema: { ...schema.schema },
              strict: schema.strict,
            },
          },
        }),
    ...(request.maxOutputTokens === undefined ? {} : { max_output_tokens: request.maxOutputTokens }),
    ...(request.temperature === undefined || reasons ? {} : { temperature: request.temperature }),
    ...(reasons ? { include: ['reasoning.encrypted_content'] } : {}),
  };
  const restoring = new Map(
    plans.filter(({ plan }) => plan.strict).map(({ tool, plan }) => [tool.name, plan]),
  );
  return { body, asked: { identity, request, schema, tools: restoring } };
}

function toInput(message: ModelMessage, identity: ModelIdentity): ResponseInputItem[] {
  if (message.role === 'user') return [{ role: 'user', content: message.text }];
  if (message.role === 'tool') {
    return [{ type: 'function_call_output', call_id: message.toolCallId, output: message.text }];
  }
  // Reasoning is only worth anything beside the items it led to, in their order: all of the turn goes back as it came.
  const own = ownState(message, identity);
  if (own !== undefined) return own as unknown as ResponseInputItem[];
  const text: ResponseInputItem[] = message.text === '' ? [] : [{ role: 'assistant', content: message.text }];
  const calls = (message.toolCalls ?? []).map((call) => ({
    type: 'function_call' as const,
    call_id: call.id,
    name: call.name,
    arguments: JSON.stringify(call.arguments),
  }));
  return [...text, ...calls];
}

function readResponse(response: Response, asked: Asked, attempt: Attempt): ModelReply {
  if (!Array.isArray(response?.output)) throw answerInvalid('the answer is not a response', attempt);
  if (response.status === 'failed' || response.status === 'cancelled' || response.error) {
    const { code = response.status, message } = response.error ?? {};
    throw faultFailure({ words: code ?? '', detail: message }, attempt);
  }
  return toReply(rawAnswer(response, asked.identity), asked);
}

/** A server in between may leave the parts out of the closing event; they came one by one before it. */
function withStreamed(response: Response, gathered: Gathered): Response {
  const { text, toolCalls } = gathered.whole();
  if (response?.output?.length !== 0 || (text === '' && toolCalls.length === 0)) return response;
  const said: ResponseOutputItem = {
    type: 'message',
    id: 'streamed',
    role: 'assistant',
    status: 'completed',
    content: [{ type: 'output_text', text, annotations: [] }],
  };
  const calls = toolCalls.map(({ id = '', name, arguments: written }) => ({
    type: 'function_call' as const,
    call_id: id,
    name,
    arguments: written,
  }));
  return { ...response, output: [said, ...calls] };
}

function rawAnswer(response: Response, identity: ModelIdentity): RawAnswer {
  const { output, model, status, incomplete_details: incomplete, usage } = response;
  const parts = output.flatMap((item) => (item.type === 'message' ? item.content : []));
  const refused = parts.some((part) => part.type === 'refusal') || incomplete?.reason === 'content_filter';
  return {
    model,
    text: parts.flatMap((part) => (part.type === 'output_text' ? [part.text] : [])).join(''),
    toolCalls: output.flatMap((item) =>
      item.type === 'function_call' ? [{ id: item.call_id, name: item.name, arguments: item.arguments }] : [],
    ),
    finish: refused ? 'refused' : status === 'incomplete' ? 'length' : 'stop',
    usage: readUsage(usage),
    state: stateOf(output, identity),
  };
}

function readUsage(usage: Response['usage']): ModelUsage {
  if (usage === undefined || usage === null) return UNKNOWN_USAGE;
  return {
    inputTokens: tokensOrNull(usage.input_tokens),
    outputTokens: tokensOrNull(usage.output_tokens),
    cachedInputTokens: tokensOrNull(usage.input_tokens_details?.cached_tokens),
    cacheWriteTokens: tokensOrNull(usage.input_tokens_details?.cache_write_tokens),
    reasoningTokens: tokensOrNull(usage.output_tokens_details?.reasoning_tokens),
  };
}

function stateOf(output: ResponseOutputItem[], { provider, model }: ModelIdentity): RawAnswer['state'] {
  const reasoning = output.filter((item) => item.type === 'reasoning');
  // Without its encrypted content OpenAI would look for the item among what it stored, and we let it store nothing.
  if (reasoning.length === 0 || reasoning.some((item) => !item.encrypted_content)) return undefined;
  const kept = output.filter((item) => ['reasoning', 'message', 'function_call'].includes(item.type));
  return { provider, model, items: kept as unknown as Json };
}

async function* readStream(
  events: AsyncIterable<ResponseStreamEvent>,
  asked: Asked,
  attempt: Attempt,
): AsyncGenerator<ModelChunk, void, undefined> {
  const gathered = new Gathered(asked.identity);
  for await (const event of events) {
    if (event.type === 'error')
      throw faultFailure({ words: event.code ?? '', detail: event.message }, attempt);
    if (CLOSING.includes(event.type) && 'response' in event) {
      yield { type: 'end', reply: readResponse(withStreamed(event.response, gathered), asked, attempt) };
      return;
    }
    const chunk = readDelta(event, gathered);
    if (chunk !== undefined) yield chunk;
  }
  throw streamEnded(attempt);
}

function readDelta(event: ResponseStreamEvent, gathered: Gathered): ModelChunk | undefined {
  if (event.type === 'response.output_text.delta') {
    gathered.text(event.delta);
    return { type: 'text', text: event.delta };
  }
  if (
    event.type === 'response.reasoning_summary_text.delta' ||
    event.type === 'response.reasoning_text.delta'
  ) {
    gathered.weigh(event.delta);
    return { type: 'reasoning', text: event.delta };
  }
  if (event.type === 'response.output_item.added' && event.item.type === 'function_call') {
    const { call_id: id, name } = event.item;
    gathered.call(event.output_index, id, name);
    return { type: 'tool-call', id, name, argumentsDelta: '' };
  }
  if (event.type === 'response.function_call_arguments.delta') {
    return {
      type: 'tool-call',
      ...gathered.arguments(event.output_index, event.delta),
      argumentsDelta: event.delta,
    };
  }
  return undefined;
}
