import type { Usage } from '../protocol/agent';
import { reach } from '../telemetry/kill-points';
import { addUsage, NO_USAGE } from '../core/usage';
import { ModelError, UNKNOWN_USAGE } from '../llm/model-error';
import type {
  CallOptions,
  ModelChunk,
  ModelProvider,
  ModelReply,
  ModelRequest,
  ModelUsage,
} from '../llm/port';

/** The model as one agent execution sees it: cancelled with it, and counted. */
export class MeteredModel implements ModelProvider {
  usage: Usage = NO_USAGE;

  constructor(
    private readonly inner: ModelProvider,
    private readonly signal: AbortSignal,
  ) {}

  get name(): string {
    return this.inner.name;
  }

  get model(): string {
    return this.inner.model;
  }

  async invoke(request: ModelRequest, options?: CallOptions): Promise<ModelReply> {
    try {
      reach('model.before');
      const reply = await this.inner.invoke(request, this.bound(options));
      reach('model.after');
      this.count(reply.usage);
      return reply;
    } catch (error) {
      this.countFailed(error);
      throw error;
    }
  }

  async *invokeStreaming(request: ModelRequest, options?: CallOptions): AsyncIterable<ModelChunk> {
    try {
      for await (const chunk of this.inner.invokeStreaming(request, this.bound(options))) {
        if (chunk.type === 'end') this.count(chunk.reply.usage);
        yield chunk;
      }
    } catch (error) {
      this.countFailed(error);
      throw error;
    }
  }

  countTokens(request: ModelRequest, options?: CallOptions): Promise<number> {
    return this.inner.countTokens(request, this.bound(options));
  }

  private bound(options: CallOptions = {}): CallOptions {
    const signal =
      options.signal === undefined ? this.signal : AbortSignal.any([options.signal, this.signal]);
    return { ...options, signal };
  }

  /** A call that failed was made all the same; where the provider said what it cost, that counts. */
  private countFailed(error: unknown): void {
    if (error instanceof ModelError) this.count(error.usage ?? UNKNOWN_USAGE);
  }

  private count({ inputTokens, outputTokens }: ModelUsage): void {
    this.usage = addUsage(this.usage, { modelCalls: 1, inputTokens, outputTokens });
  }
}
