import { DEFAULT_USAGE, deltas, sse, writtenArguments, type Renderer, type ScriptedAnswer } from './script';

type Item = Readonly<Record<string, unknown>>;

/** OpenAI's Responses API. */
export const responses: Renderer = {
  body: (answer, model) => envelope(answer, model, items(answer)),
  events: (answer, model) => {
    const opening = { ...envelope(answer, model, []), status: 'in_progress', usage: null };
    const list = items(answer);
    const closing = answer.finish === 'length' ? 'response.incomplete' : 'response.completed';
    const events: Item[] = [
      { type: 'response.created', response: opening },
      { type: 'response.in_progress', response: opening },
      ...list.flatMap((item, index) => itemEvents(item, index, answer.deltaChars)),
      { type: closing, response: envelope(answer, model, list) },
    ];
    return events.map((event, sequence) =>
      sse({ ...event, sequence_number: sequence }, String(event['type'])),
    );
  },
  error: (type, code, message) => ({ error: { message, type, param: null, code } }),
  errorEvent: (type, message) => {
    const response = { ...envelope({}, 'model', []), status: 'failed', error: { code: type, message } };
    return sse({ type: 'response.failed', sequence_number: 99, response }, 'response.failed');
  },
  empty: (model) => envelope({ text: '' }, model, []),
};

function envelope(
  { finish, usage = DEFAULT_USAGE }: ScriptedAnswer,
  model: string,
  output: readonly Item[],
): Item {
  return {
    id: 'resp_1',
    object: 'response',
    created_at: 1_790_000_000,
    status: finish === 'length' ? 'incomplete' : 'completed',
    error: null,
    incomplete_details: finish === 'length' ? { reason: 'max_output_tokens' } : null,
    instructions: null,
    max_output_tokens: null,
    model,
    output,
    parallel_tool_calls: true,
    previous_response_id: null,
    store: false,
    temperature: 1,
    tool_choice: 'auto',
    tools: [],
    top_p: 1,
    metadata: {},
    usage: usage && {
      input_tokens: usage.input,
      input_tokens_details: { cached_tokens: usage.cached ?? 0, cache_write_tokens: usage.cacheWrite ?? 0 },
      output_tokens: usage.output,
      output_tokens_details: { reasoning_tokens: usage.reasoning ?? 0 },
      total_tokens: usage.input + usage.output,
    },
  };
}

function items({ text, reasoning, sealedReasoning, toolCalls = [], finish }: ScriptedAnswer): Item[] {
  const list: Item[] = [];
  if (reasoning !== undefined || sealedReasoning !== undefined) {
    const summary = reasoning === undefined ? [] : [{ type: 'summary_text', text: reasoning }];
    list.push({ type: 'reasoning', id: 'rs_1', summary, encrypted_content: sealedReasoning ?? null });
  }
  if (finish === 'refusal')
    list.push(message({ type: 'refusal', refusal: text ?? 'I cannot help with that.' }));
  else if (text !== undefined)
    list.push(message({ type: 'output_text', text, annotations: [], logprobs: [] }));
  for (const [index, call] of toolCalls.entries()) {
    list.push({
      type: 'function_call',
      id: `fc_${index}`,
      call_id: call.id ?? `call_${index}`,
      name: call.name,
      arguments: writtenArguments(call),
      status: 'completed',
    });
  }
  return list;
}

function message(part: Item): Item {
  return { type: 'message', id: 'msg_1', status: 'completed', role: 'assistant', content: [part] };
}

function itemEvents(item: Item, index: number, deltaChars: number | undefined): Item[] {
  const at = { output_index: index, item_id: item['id'] };
  const parts: Item[] = [];
  let opened = item;
  if (item['type'] === 'reasoning') {
    opened = { ...item, summary: [] };
    const [summary] = item['summary'] as { text: string }[];
    for (const delta of summary === undefined ? [] : deltas(summary.text, deltaChars)) {
      parts.push({ type: 'response.reasoning_summary_text.delta', ...at, summary_index: 0, delta });
    }
  } else if (item['type'] === 'function_call') {
    opened = { ...item, arguments: '', status: 'in_progress' };
    const written = String(item['arguments']);
    for (const delta of deltas(written, deltaChars))
      parts.push({ type: 'response.function_call_arguments.delta', ...at, delta });
    parts.push({ type: 'response.function_call_arguments.done', ...at, arguments: written });
  } else {
    opened = { ...item, content: [], status: 'in_progress' };
    parts.push(...contentEvents(item, at, deltaChars));
  }
  return [
    { type: 'response.output_item.added', output_index: index, item: opened },
    ...parts,
    { type: 'response.output_item.done', output_index: index, item },
  ];
}

function contentEvents(item: Item, at: Item, deltaChars: number | undefined): Item[] {
  const [part] = item['content'] as { type: string; text?: string; refusal?: string }[];
  if (part === undefined) return [];
  const kind = part.type === 'refusal' ? 'refusal' : 'output_text';
  const said = part.text ?? part.refusal ?? '';
  const place = { ...at, content_index: 0 };
  return [
    { type: 'response.content_part.added', ...place, part: { ...part, text: '' } },
    ...deltas(said, deltaChars).map((delta) => ({
      type: `response.${kind}.delta`,
      ...place,
      delta,
      logprobs: [],
    })),
    { type: `response.${kind}.done`, ...place, text: said },
    { type: 'response.content_part.done', ...place, part },
  ];
}
