import { DEFAULT_USAGE, deltas, sse, writtenArguments, type Renderer, type ScriptedAnswer } from './script';

type Block = Readonly<Record<string, unknown>>;

/** Anthropic's Messages API. */
export const messages: Renderer = {
  body: (answer, model) => {
    const content = parts(answer).map(({ block }) => block);
    return envelope(answer, model, content);
  },
  events: (answer, model) => {
    const usage = usageOf(answer);
    const opening = {
      ...envelope(answer, model, []),
      stop_reason: null,
      usage: usage && { ...usage, output_tokens: 1 },
    };
    const events: Block[] = [
      { type: 'message_start', message: opening },
      ...parts(answer).flatMap(partEvents),
      { type: 'message_delta', delta: { stop_reason: stopReason(answer), stop_sequence: null }, usage },
      { type: 'message_stop' },
    ];
    // Anthropic keeps a connection alive with pings; one is sent early, as the real service does.
    events.splice(2, 0, { type: 'ping' });
    return events.map((event) => sse(event, String(event['type'])));
  },
  error: (type, _code, message) => ({ type: 'error', error: { type, message }, request_id: 'req_1' }),
  errorEvent: (type, message) => sse({ type: 'error', error: { type, message } }, 'error'),
  empty: (model) => envelope({}, model, []),
};

function envelope(answer: ScriptedAnswer, model: string, content: readonly Block[]): Block {
  const refused = answer.finish === 'refusal';
  return {
    id: 'msg_1',
    type: 'message',
    role: 'assistant',
    model,
    content,
    stop_reason: stopReason(answer),
    stop_sequence: null,
    stop_details: refused ? { type: 'refusal', category: null, explanation: null } : null,
    usage: usageOf(answer),
  };
}

function stopReason({ finish, toolCalls = [] }: ScriptedAnswer): string {
  if (finish === 'refusal') return 'refusal';
  if (finish === 'length') return 'max_tokens';
  return toolCalls.length > 0 ? 'tool_use' : 'end_turn';
}

/** What the cache served is not part of `input_tokens` here, unlike at OpenAI. */
function usageOf({ usage = DEFAULT_USAGE }: ScriptedAnswer): Block | null {
  if (usage === null) return null;
  const { cached = 0, cacheWrite = 0 } = usage;
  return {
    input_tokens: usage.input - cached - cacheWrite,
    cache_creation_input_tokens: cacheWrite,
    cache_read_input_tokens: cached,
    output_tokens: usage.output,
    output_tokens_details: { thinking_tokens: usage.reasoning ?? 0 },
  };
}

/** A content block: whole, as it opens in a stream, and what then comes bit by bit. */
interface Part {
  readonly block: Block;
  readonly opened: Block;
  readonly deltas: readonly Block[];
}

function parts({ text, reasoning, sealedReasoning, toolCalls = [], deltaChars }: ScriptedAnswer): Part[] {
  const list: Part[] = [];
  if (reasoning !== undefined || sealedReasoning !== undefined) {
    const signature = sealedReasoning ?? 'signed';
    const thought = deltas(reasoning ?? '', deltaChars).map((thinking) => ({
      type: 'thinking_delta',
      thinking,
    }));
    list.push({
      block: { type: 'thinking', thinking: reasoning ?? '', signature },
      opened: { type: 'thinking', thinking: '', signature: '' },
      deltas: [...thought, { type: 'signature_delta', signature }],
    });
  }
  if (text !== undefined) {
    list.push({
      block: { type: 'text', text, citations: null },
      opened: { type: 'text', text: '', citations: null },
      deltas: deltas(text, deltaChars).map((part) => ({ type: 'text_delta', text: part })),
    });
  }
  for (const [index, call] of toolCalls.entries()) {
    const use = { type: 'tool_use', id: call.id ?? `call_${index}`, name: call.name };
    const written = writtenArguments(call);
    list.push({
      block: { ...use, input: parsed(written) },
      opened: { ...use, input: {} },
      deltas: deltas(written, deltaChars).map((partial_json) => ({ type: 'input_json_delta', partial_json })),
    });
  }
  return list;
}

function partEvents({ opened, deltas: changes }: Part, index: number): Block[] {
  return [
    { type: 'content_block_start', index, content_block: opened },
    ...changes.map((delta) => ({ type: 'content_block_delta', index, delta })),
    { type: 'content_block_stop', index },
  ];
}

function parsed(written: string): unknown {
  try {
    return JSON.parse(written) as unknown;
  } catch {
    return { unparsable: true };
  }
}
