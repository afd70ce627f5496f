import type {
  ChatCompletionCreateParamsNonStreaming,
  ChatCompletionMessageParam,
} from 'openai/resources/chat/completions';
import type { JsonObject } from '../../protocol/json';
import type { ModelIdentity } from '../model-error';
import type { ModelMessage, ModelRequest } from '../port';
import { planSchema, schemaInstruction, type SchemaPlan } from '../schema';
import type { Capabilities, Feature } from './capabilities';
import type { ChatAsked } from './chat-answer';
import { toldConversation, toolInstruction } from './told-tools';

export type Body = Omit<ChatCompletionCreateParamsNonStreaming, 'stream'>;

/** A request as it is sent, with the optional features it uses. */
export interface ChatRequest {
  readonly body: Body;
  readonly asked: ChatAsked;
  readonly features: readonly Feature[];
}

/** A part of a body, and the feature it takes. */
interface Part {
  readonly body: Partial<Body>;
  readonly feature: Feature;
}

/** Writes a request with what the server takes; what it does not take is told in words, or left out. */
export function toChatRequest(
  request: ModelRequest,
  identity: ModelIdentity,
  capabilities: Capabilities,
): ChatRequest {
  const schema = request.schema === undefined ? undefined : planSchema(request.schema);
  const { tools = [], toolChoice = 'auto' } = request;
  const toldTools = tools.length > 0 && !capabilities.takes('tools');
  // The schema goes into words as well: some servers take a response format and ignore it.
  const system = [
    request.system,
    toldTools ? toolInstruction(tools, toolChoice) : undefined,
    schema && schemaInstruction(schema),
  ].filter(Boolean);
  const parts = [
    ...(toldTools ? [] : toolParts(request, capabilities)),
    // llama.cpp refuses a response format beside tools; the instruction in the system message remains.
    ...(schema === undefined || tools.length > 0 ? [] : formatParts(schema, capabilities)),
    ...limitParts(request, capabilities),
    ...temperatureParts(request, capabilities),
  ];
  const conversation = toldTools ? toldConversation(request.messages) : request.messages;
  const messages: ChatCompletionMessageParam[] = conversation.map(toMessage);
  if (system.length > 0) messages.unshift({ role: 'system', content: system.join('\n\n') });
  return {
    body: Object.assign({ model: identity.model, messages }, ...parts.map(({ body }) => body)) as Body,
    asked: { identity, request, schema, toldTools },
    features: parts.map(({ feature }) => feature),
  };
}

function toolParts({ tools = [], toolChoice = 'auto' }: ModelRequest, capabilities: Capabilities): Part[] {
  if (tools.length === 0) return [];
  const declared = tools.map(({ name, description, parameters }) => ({
    type: 'function' as const,
    function: { name, description, parameters: { ...parameters } },
  }));
  const chosen: Part = { body: { tool_choice: toolChoice }, feature: 'tool-choice' };
  // `auto` is what every server does anyway.
  const isChosen = toolChoice !== 'auto' && capabilities.takes('tool-choice');
  return [{ body: { tools: declared }, feature: 'tools' }, ...(isChosen ? [chosen] : [])];
}

function formatParts({ name, schema, strict }: SchemaPlan, capabilities: Capabilities): Part[] {
  const formats: readonly (Part & { readonly fits: boolean })[] = [
    { body: jsonSchema(name, schema, true), feature: 'json-schema-strict', fits: strict },
    { body: jsonSchema(name, schema), feature: 'json-schema', fits: true },
    { body: JSON_OBJECT, feature: 'json-object', fits: true },
  ];
  const best = formats.find(({ feature, fits }) => fits && capabilities.takes(feature));
  return best === undefined ? [] : [best];
}

function limitParts({ maxOutputTokens }: ModelRequest, capabilities: Capabilities): Part[] {
  if (maxOutputTokens === undefined) return [];
  if (capabilities.takes('max-tokens'))
    return [{ body: { max_tokens: maxOutputTokens }, feature: 'max-tokens' }];
  if (!capabilities.takes('max-completion-tokens')) return [];
  return [{ body: { max_completion_tokens: maxOutputTokens }, feature: 'max-completion-tokens' }];
}

function temperatureParts({ temperature }: ModelRequest, capabilities: Capabilities): Part[] {
  if (temperature === undefined || !capabilities.takes('temperature')) return [];
  return [{ body: { temperature }, feature: 'temperature' }];
}

const JSON_OBJECT: Partial<Body> = { response_format: { type: 'json_object' } };

function jsonSchema(name: string, schema: JsonObject, strict?: true): Partial<Body> {
  const format = { name, schema: { ...schema }, ...(strict === undefined ? {} : { strict }) };
  return { response_format: { type: 'json_schema', json_schema: format } };
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

const OK_SCHEMA = {
  type: 'object',
  properties: { ok: { type: 'boolean' } },
  required: ['ok'],
  additionalProperties: false,
};
const OK_TOOL = {
  type: 'function' as const,
  function: { name: 'note', description: 'Notes an answer', parameters: OK_SCHEMA },
};
const PROBED: Readonly<Record<Exclude<Feature, 'stream-usage'>, Partial<Body>>> = {
  tools: { tools: [OK_TOOL] },
  'tool-choice': { tools: [OK_TOOL], tool_choice: 'required' },
  'json-schema-strict': jsonSchema('ok', OK_SCHEMA, true),
  'json-schema': jsonSchema('ok', OK_SCHEMA),
  'json-object': JSON_OBJECT,
  'max-tokens': { max_tokens: 64 },
  'max-completion-tokens': { max_completion_tokens: 64 },
  temperature: { temperature: 0 },
};

/** The tiny request that tells whether the server takes a feature. */
export function probeBody(model: string, feature: Exclude<Feature, 'stream-usage'> | 'none'): Body {
  return {
    model,
    messages: [{ role: 'user', content: 'Answer with the JSON {"ok":true} and nothing else.' }],
    ...(feature === 'none' ? {} : PROBED[feature]),
  };
}
