import type {
  ContentBlock,
  Message,
  RawContentBlockDelta,
  RawMessageStreamEvent,
} from '@anthropic-ai/sdk/resources/messages/messages';
import { parseArguments } from '../reply';
import type { ModelIdentity } from '../model-error';
import type { ModelChunk } from '../port';
import { Gathered, type RawToolCall } from '../reply';

/** Puts a streamed message together again, block by block, thinking and its signatures included. */
export class AnthropicStream {
  readonly #gathered: Gathered;
  readonly #blocks = new Map<number, ContentBlock>();
  #message: Message | undefined;

  constructor(identity: ModelIdentity) {
    this.#gathered = new Gathered(identity);
  }

  /** Takes one event; returns what it means to a reader, where it means something. */
  take(event: RawMessageStreamEvent): ModelChunk | undefined {
    if (event.type === 'message_start') this.#message = event.message;
    if (event.type === 'message_delta') this.#close(event);
    if (event.type === 'content_block_start') return this.#open(event.index, event.content_block);
    return event.type === 'content_block_delta' ? this.#add(event.index, event.delta) : undefined;
  }

  whole(): { message: Message | undefined; toolCalls: readonly RawToolCall[] } {
    const { toolCalls } = this.#gathered.whole();
    const content = [...this.#blocks.values()].map((block) => {
      if (block.type !== 'tool_use') return block;
      const written = toolCalls.find((call) => call.id === block.id)?.arguments ?? '';
      return { ...block, input: parseArguments(written) };
    });
    return { message: this.#message && { ...this.#message, content }, toolCalls };
  }

  #open(index: number, block: ContentBlock): ModelChunk | undefined {
    this.#blocks.set(index, block);
    if (block.type === 'text' && block.text !== '') {
      this.#gathered.text(block.text);
      return { type: 'text', text: block.text };
    }
    if (block.type !== 'tool_use') return undefined;
    this.#gathered.call(index, block.id, block.name);
    return { type: 'tool-call', id: block.id, name: block.name, argumentsDelta: '' };
  }

  #add(index: number, delta: RawContentBlockDelta): ModelChunk | undefined {
    const block = this.#blocks.get(index);
    if (delta.type === 'text_delta') {
      this.#gathered.text(delta.text);
      if (block?.type === 'text') this.#blocks.set(index, { ...block, text: block.text + delta.text });
      return { type: 'text', text: delta.text };
    }
    if (delta.type === 'input_json_delta') {
      return {
        type: 'tool-call',
        ...this.#gathered.arguments(index, delta.partial_json),
        argumentsDelta: delta.partial_json,
      };
    }
    if (delta.type === 'thinking_delta') {
      this.#gathered.weigh(delta.thinking);
      if (block?.type === 'thinking')
        this.#blocks.set(index, { ...block, thinking: block.thinking + delta.thinking });
      return { type: 'reasoning', text: delta.thinking };
    }
    if (delta.type === 'signature_delta' && block?.type === 'thinking') {
      this.#blocks.set(index, { ...block, signature: delta.signature });
    }
    return undefined;
  }

  #close({ delta, usage }: Extract<RawMessageStreamEvent, { type: 'message_delta' }>): void {
    if (this.#message === undefined) return;
    // The closing counts are cumulative; what they leave out stands as it was at the start.
    const known = Object.entries(usage ?? {}).filter(([, value]) => value !== null && value !== undefined);
    this.#message = {
      ...this.#message,
      stop_reason: delta.stop_reason,
      usage: { ...this.#message.usage, ...(Object.fromEntries(known) as Partial<Message['usage']>) },
    };
  }
}
