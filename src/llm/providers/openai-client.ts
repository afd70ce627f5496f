import OpenAI from 'openai';
import type { Attempt } from '../failures';
import type { HttpProviderOptions } from '../http';

/** A client for one call. Everything that the SDK would otherwise read from the environment is set. */
export function openAiClient(baseURL: string, { apiKey }: HttpProviderOptions, { call }: Attempt): OpenAI {
  return new OpenAI({
    // The SDK insists on a key; a server without keys is then not sent one.
    apiKey: apiKey ?? 'none',
    ...(apiKey === undefined ? { defaultHeaders: { Authorization: null } } : {}),
    adminAPIKey: null,
    organization: null,
    project: null,
    webhookSecret: null,
    baseURL,
    fetch: call.fetch,
    timeout: call.bounds.timeoutMs,
    maxRetries: 0,
    // At any other level the SDK prints the lines of a stream that it cannot parse.
    logLevel: 'off',
  });
}

/** Options of one SDK call. */
export function requestOptions({ call }: Attempt): {
  signal: AbortSignal;
  timeout: number;
  maxRetries: number;
} {
  return { signal: call.signal, timeout: call.bounds.timeoutMs, maxRetries: 0 };
}

/** Asks for the list of models, which costs nothing and needs a valid key. */
export async function listModels(client: OpenAI, attempt: Attempt): Promise<void> {
  await client.models.list(requestOptions(attempt));
}

/** Models that reason by themselves: they take no temperature, and their reasoning must be handed back. */
export function reasonsByItself(model: string): boolean {
  return /^(?:o\d|gpt-(?:[5-9]|\d\d))/.test(model) && !model.includes('chat');
}
