import type { ModelRequest } from './port';
import { jsonSchemaOf } from './schema';

const CHARS_PER_TOKEN = 3.5;
const TOKENS_PER_MESSAGE = 4;

/** Every text of a request that travels to the model. */
export function requestTexts(request: ModelRequest): string[] {
  const texts = request.messages.flatMap((message) => [
    message.text,
    ...(message.role === 'assistant'
      ? (message.toolCalls ?? []).map((call) => JSON.stringify(call.arguments))
      : []),
  ]);
  return request.system === undefined ? texts : [request.system, ...texts];
}

/** An estimate for models whose tokenizer is not at hand: three and a half characters a token, and a little per message. */
export function estimateTokens(request: ModelRequest): number {
  const declared = JSON.stringify([
    request.tools ?? [],
    request.schema && jsonSchemaOf(request.schema),
  ]).length;
  const chars =
    requestTexts(request).reduce((sum, text) => sum + text.length, 0) + (declared > 9 ? declared : 0);
  return Math.ceil(chars / CHARS_PER_TOKEN) + TOKENS_PER_MESSAGE * request.messages.length;
}
