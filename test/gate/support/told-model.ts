import type { ModelChunk, ModelProvider, ModelReply, ModelRequest } from '../../../src/llm/port';

/** A model that says what it is told to say, and keeps what it was asked. */
export class ToldModel implements ModelProvider {
  readonly name = 'told';
  readonly model = 'told-1';
  readonly requests: ModelRequest[] = [];
  finishReason: ModelReply['finishReason'] = 'stop';
  private text = '';

  /** What it answers from now on. */
  answers(text: string): void {
    this.text = text;
  }

  async invoke(request: ModelRequest): Promise<ModelReply> {
    this.requests.push(request);
    return {
      provider: this.name,
      model: this.model,
      text: this.text,
      toolCalls: [],
      finishReason: this.finishReason,
      usage: { inputTokens: null, outputTokens: null, cachedInputTokens: null, reasoningTokens: null },
    };
  }

  async *invokeStreaming(request: ModelRequest): AsyncIterable<ModelChunk> {
    yield { type: 'end', reply: await this.invoke(request) };
  }

  async countTokens(): Promise<number> {
    return 0;
  }
}
