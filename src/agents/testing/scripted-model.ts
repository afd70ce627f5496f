import { AppError } from '../../protocol/failures';
import { UNKNOWN_USAGE } from '../../llm/model-error';
import type { CallOptions, ModelChunk, ModelProvider, ModelReply, ModelRequest } from '../../llm/port';

/** What a scripted model does at one call: replies, fails, or decides by the request. */
export type ScriptedReply =
  | Partial<ModelReply>
  | Error
  | ((request: ModelRequest) => Partial<ModelReply> | Error);

/** A model that says what it is told to, and remembers what it was asked; it fails when its script runs out. */
export interface ScriptedModel extends ModelProvider {
  readonly requests: ModelRequest[];
  /** Adds replies of these texts to the script. */
  answers(...texts: string[]): void;
}

/** Makes a model of its next replies. */
export function scriptedModel(...script: ScriptedReply[]): ScriptedModel {
  const requests: ModelRequest[] = [];
  const invoke = async (request: ModelRequest, { signal }: CallOptions = {}): Promise<ModelReply> => {
    signal?.throwIfAborted();
    const step = script[requests.length];
    requests.push(request);
    const given = typeof step === 'function' ? step(request) : step;
    if (given === undefined)
      throw new AppError('INTERNAL', `The script of the model ran out: call ${requests.length}`);
    if (given instanceof Error) throw given;
    return whole(given);
  };
  return {
    name: 'scripted',
    model: 'script-1',
    requests,
    answers: (...texts) => void script.push(...texts.map((text) => ({ text }))),
    invoke,
    async *invokeStreaming(request, options) {
      yield* chunksOf(await invoke(request, options));
    },
    countTokens: () => Promise.resolve(1),
  };
}

function whole(given: Partial<ModelReply>): ModelReply {
  const finishReason = (given.toolCalls ?? []).length > 0 ? 'tool-calls' : 'stop';
  return {
    provider: 'scripted',
    model: 'script-1',
    text: '',
    toolCalls: [],
    finishReason,
    usage: UNKNOWN_USAGE,
    ...given,
  };
}

function* chunksOf(reply: ModelReply): Generator<ModelChunk, void, undefined> {
  if (reply.text !== '') yield { type: 'text', text: reply.text };
  for (const { id, name, arguments: given } of reply.toolCalls)
    yield { type: 'tool-call', id, name, argumentsDelta: JSON.stringify(given) };
  yield { type: 'end', reply };
}
