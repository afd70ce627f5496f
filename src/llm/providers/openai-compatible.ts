import type OpenAI from 'openai';
import type { ChatCompletionCreateParamsStreaming } from 'openai/resources/chat/completions';
import { isRefusal, type Attempt } from '../failures';
import { overHttp, type HttpProviderOptions } from '../http';
import { ModelError, type ModelIdentity } from '../model-error';
import type { ModelChunk, ModelProvider, ModelReply, ModelRequest } from '../port';
import { type Capabilities, capabilitiesOf, type Feature, type Probe } from './capabilities';
import { readCompletion, readStream } from './chat-answer';
import { type ChatRequest, probeBody, toChatRequest } from './chat-request';
import { chunksOf } from '../reply';
import { listModels, openAiClient, requestOptions } from './openai-client';

/** The model asked for where none is configured; servers that hold one model take any name. */
export const COMPATIBLE_DEFAULT_MODEL = 'default';

const STREAM_USAGE = { stream_options: { include_usage: true } } as const;

/**
 * Any server that speaks Chat Completions: llama.cpp, Ollama, vLLM, LM Studio, gateways. `baseUrl` must be given. What
 * a server does not take is found out where it refuses a request, and is done without from then on.
 */
export function openAiCompatibleProvider(
  options: HttpProviderOptions & { readonly baseUrl: string },
): ModelProvider {
  const { baseUrl, model = COMPATIBLE_DEFAULT_MODEL } = options;
  const identity: ModelIdentity = { provider: 'openai-compatible', model };
  const capabilities = capabilitiesOf(baseUrl, model);
  const chatOf = (attempt: Attempt): Chat => ({
    identity,
    capabilities,
    attempt,
    completions: openAiClient(baseUrl, options, attempt).chat.completions,
  });
  return overHttp(
    {
      identity,
      baseUrl,
      send: (request, attempt) => send(chatOf(attempt), request),
      stream: (request, attempt) => stream(chatOf(attempt), request),
      async capabilities(attempt) {
        const all = await capabilities.all(probeOf(chatOf(attempt)));
        if (all !== undefined) return all;
        throw new ModelError(
          'MODEL_REQUEST_INVALID',
          'the server refuses even the plainest request',
          identity,
        );
      },
      check: (attempt) => listModels(openAiClient(baseUrl, options, attempt), attempt),
    },
    options,
  );
}

/** One call, and all it needs. */
interface Chat {
  readonly identity: ModelIdentity;
  readonly capabilities: Capabilities;
  readonly attempt: Attempt;
  readonly completions: OpenAI.Chat.Completions;
}

function send(chat: Chat, request: ModelRequest): Promise<ModelReply> {
  const { completions, attempt } = chat;
  return adapting(chat, () => {
    const { body, asked, features } = written(chat, request);
    const sent = completions.create({ ...body, stream: false }, requestOptions(attempt));
    return { features, outcome: sent.then((completion) => readCompletion(completion, asked, attempt)) };
  });
}

async function* stream(chat: Chat, request: ModelRequest): AsyncGenerator<ModelChunk, void, undefined> {
  const { completions, attempt, capabilities } = chat;
  const opening = adapting(chat, () => {
    const { body, asked, features } = written(chat, request);
    // Calls told in words are only known once all of the answer is there.
    if (asked.toldTools) return { features, outcome: Promise.resolve(undefined) };
    const counted = capabilities.takes('stream-usage');
    const streaming: ChatCompletionCreateParamsStreaming = {
      ...body,
      stream: true,
      ...(counted ? STREAM_USAGE : {}),
    };
    const opened = completions.create(streaming, requestOptions(attempt));
    return {
      features: counted ? [...features, 'stream-usage' as const] : features,
      outcome: opened.then((chunks) => ({ chunks, asked })),
    };
  });
  const open = await attempt.call.until(opening);
  if (open === undefined) yield* chunksOf(await attempt.call.until(send(chat, request)));
  else yield* readStream(attempt.call.each(open.chunks), open.asked, attempt);
}

function written({ identity, capabilities }: Chat, request: ModelRequest): ChatRequest {
  return toChatRequest(request, identity, capabilities);
}

/** Sends a request; where it is refused for a feature that the server does not take, once more without that. */
async function adapting<T>(
  chat: Chat,
  attempted: () => { readonly features: readonly Feature[]; readonly outcome: Promise<T> },
): Promise<T> {
  // Ends: every round but the last one finds a feature that no later round uses.
  for (;;) {
    const { features, outcome } = attempted();
    try {
      return await outcome;
    } catch (error) {
      if (!isRefusal(error, chat.attempt)) throw error;
      if (!(await chat.capabilities.refusesOneOf(features, probeOf(chat)))) throw error;
    }
  }
}

function probeOf({ identity, attempt, completions }: Chat): Probe {
  return async (feature) => {
    try {
      if (feature === 'stream-usage') {
        const body = { ...probeBody(identity.model, 'none'), stream: true as const, ...STREAM_USAGE };
        const chunks = await completions.create(body, requestOptions(attempt));
        for await (const _ of chunks) continue;
      } else {
        const body = { ...probeBody(identity.model, feature), stream: false as const };
        await completions.create(body, requestOptions(attempt));
      }
      return true;
    } catch (error) {
      if (isRefusal(error, attempt)) return false;
      throw error;
    }
  };
}
