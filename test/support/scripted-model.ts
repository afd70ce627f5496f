import type { ModelProvider, ModelReply, ModelRequest } from '../../src/llm/port';

const NO_USAGE = { inputTokens: null, outputTokens: null, cachedInputTokens: null, reasoningTokens: null };

/** A model that says what it is told to, and remembers what it was asked; it fails when its script runs out. */
export interface ScriptedModel extends ModelProvider {
  readonly requests: ModelRequest[];
  /** Adds replies of these texts to the script. */
  answers(...texts: string[]): void;
}

/** Makes a model of its next replies; one may also be a function of the request. */
export function scriptedModel(
  ...script: (Partial<ModelReply> | Error | ((request: ModelRequest) => Partial<ModelReply>))[]
): ScriptedModel {
  const requests: ModelRequest[] = [];
  const invoke = (request: ModelRequest): Promise<ModelReply> => {
    const step = script[requests.length];
    requests.push(request);
    if (step === undefined) return Promise.reject(new Error('the script of the model ran out'));
    if (step instanceof Error) return Promise.reject(step);
    const given = typeof step === 'function' ? step(request) : step;
    const finishReason = (given.toolCalls ?? []).length > 0 ? 'tool-calls' : 'stop';
    const reply: ModelReply = {
      provider: 'scripted',
      model: 'script-1',
      text: '',
      toolCalls: [],
      finishReason,
      usage: NO_USAGE,
      ...given,
    };
    return Promise.resolve(reply);
  };
  return {
    name: 'scripted',
    model: 'script-1',
    requests,
    answers: (...texts) => void script.push(...texts.map((text) => ({ text }))),
    invoke,
    async *invokeStreaming(request) {
      yield { type: 'end', reply: await invoke(request) };
    },
    countTokens: () => Promise.resolve(1),
  };
}
