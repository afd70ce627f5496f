import { reach } from '../telemetry/kill-points';
import { ModelError } from '../llm/model-error';
import type { CallOptions, ModelChunk, ModelProvider, ModelReply, ModelRequest } from '../llm/port';
import type { Held } from './bus/turn-bus';
import type { ModelCalls } from './model-calls';
import type { TokenWriter } from './token-writer';
import type { Watch } from './watch';

/** What one agent execution adds to a model. */
export interface Metering extends Held {
  /** Its signal is aborted with the agent. */
  readonly watch: Pick<Watch, 'signal'>;
  readonly calls: ModelCalls;
  readonly tokens: TokenWriter;
}

/** A model as one agent execution sees it: cancelled with it, recorded call by call, its streams shown to whoever watches. */
export class MeteredModel implements ModelProvider {
  constructor(
    private readonly inner: ModelProvider,
    private readonly metering: Metering,
  ) {}

  get name(): string {
    return this.inner.name;
  }

  get model(): string {
    return this.inner.model;
  }

  async invoke(request: ModelRequest, options?: CallOptions): Promise<ModelReply> {
    const { calls, watch, bus } = this.metering;
    const held = bus.held();
    if (held !== undefined) await held;
    // A call that a stopped agent makes is none.
    watch.signal.throwIfAborted();
    reach('model.before');
    const call = calls.begin(this.inner);
    try {
      const reply = await this.inner.invoke(request, this.bound(options));
      await calls.succeeded(call, reply);
      reach('model.after');
      return reply;
    } catch (error) {
      await calls.failed(call, error);
      throw error;
    }
  }

  async *invokeStreaming(request: ModelRequest, options?: CallOptions): AsyncIterable<ModelChunk> {
    const { calls, tokens, watch, bus } = this.metering;
    const held = bus.held();
    if (held !== undefined) await held;
    watch.signal.throwIfAborted();
    reach('model.before');
    const call = calls.begin(this.inner);
    const stream = tokens.stream();
    let failure: unknown = new ModelError('MODEL_ANSWER_CUT', 'the agent stopped reading the answer', call);
    let complete = false;
    try {
      for await (const chunk of this.inner.invokeStreaming(request, this.bound(options))) {
        if (chunk.type === 'end') {
          await calls.succeeded(call, chunk.reply);
          stream.end();
          complete = true;
          reach('model.after');
        } else {
          call.firstTokenAtMs ??= Date.now();
          await stream.push(chunk);
        }
        yield chunk;
      }
    } catch (error) {
      failure = error;
      throw error;
    } finally {
      if (!complete) {
        stream.reset();
        await calls.failed(call, failure);
      }
    }
  }

  async countTokens(request: ModelRequest, options?: CallOptions): Promise<number> {
    const held = this.metering.bus.held();
    if (held !== undefined) await held;
    return this.inner.countTokens(request, this.bound(options));
  }

  private bound(options: CallOptions = {}): CallOptions {
    const { signal: stopped } = this.metering.watch;
    const signal = options.signal === undefined ? stopped : AbortSignal.any([options.signal, stopped]);
    return { ...options, signal };
  }
}
