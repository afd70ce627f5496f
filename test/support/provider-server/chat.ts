import { DEFAULT_USAGE, deltas, sse, writtenArguments, type Renderer, type ScriptedAnswer } from './script';

/** OpenAI's Chat Completions, as OpenAI and every compatible server speak it. */
export const chat: Renderer = {
  body: (answer, model) => ({
    ...envelope('chat.completion', model),
    choices: [{ index: 0, message: message(answer), logprobs: null, finish_reason: finishReason(answer) }],
    ...(answer.usage === null ? {} : { usage: usageOf(answer) }),
  }),
  events: (answer, model) => {
    const choice = (delta: object, finish_reason: string | null = null) => ({
      ...envelope('chat.completion.chunk', model),
      choices: [{ index: 0, delta, logprobs: null, finish_reason }],
    });
    const chars = answer.deltaChars;
    const chunks: object[] = [choice({ role: 'assistant', content: '' })];
    for (const part of parts(answer.reasoning, chars)) chunks.push(choice({ reasoning_content: part }));
    const key = answer.finish === 'refusal' ? 'refusal' : 'content';
    for (const part of parts(answer.text, chars)) chunks.push(choice({ [key]: part }));
    for (const [index, call] of (answer.toolCalls ?? []).entries()) {
      const opening = {
        index,
        id: call.id ?? `call_${index}`,
        type: 'function',
        function: { name: call.name, arguments: '' },
      };
      chunks.push(choice({ tool_calls: [opening] }));
      for (const part of deltas(writtenArguments(call), chars)) {
        chunks.push(choice({ tool_calls: [{ index, function: { arguments: part } }] }));
      }
    }
    chunks.push(choice({}, finishReason(answer)));
    if (answer.usage !== null) {
      chunks.push({ ...envelope('chat.completion.chunk', model), choices: [], usage: usageOf(answer) });
    }
    return [...chunks.map((chunk) => sse(chunk)), 'data: [DONE]\n\n'];
  },
  error: (type, code, text) => ({ error: { message: text, type, param: null, code } }),
  errorEvent: (type, text) => sse({ error: { message: text, type, param: null, code: type } }),
  empty: (model) => ({ ...envelope('chat.completion', model), choices: [] }),
};

function envelope(object: string, model: string): object {
  return { id: 'chatcmpl-1', object, created: 1_790_000_000, model, system_fingerprint: null };
}

function parts(text: string | undefined, chars: number | undefined): readonly string[] {
  return text === undefined ? [] : deltas(text, chars);
}

function message({ text, reasoning, toolCalls = [], finish }: ScriptedAnswer): object {
  const calls = toolCalls.map((call, index) => ({
    id: call.id ?? `call_${index}`,
    type: 'function',
    function: { name: call.name, arguments: writtenArguments(call) },
  }));
  const refused = finish === 'refusal';
  return {
    role: 'assistant',
    content: refused ? null : (text ?? null),
    refusal: refused ? (text ?? 'I cannot help with that.') : null,
    ...(reasoning === undefined ? {} : { reasoning_content: reasoning }),
    ...(calls.length === 0 ? {} : { tool_calls: calls }),
  };
}

function finishReason({ finish, toolCalls = [] }: ScriptedAnswer): string {
  if (finish === 'length') return 'length';
  return toolCalls.length > 0 ? 'tool_calls' : 'stop';
}

function usageOf({ usage }: ScriptedAnswer): object {
  const { input, output, cached = 0, cacheWrite = 0, reasoning = 0 } = usage ?? DEFAULT_USAGE;
  return {
    prompt_tokens: input,
    completion_tokens: output,
    total_tokens: input + output,
    prompt_tokens_details: { cached_tokens: cached, cache_write_tokens: cacheWrite },
    completion_tokens_details: { reasoning_tokens: reasoning },
  };
}
