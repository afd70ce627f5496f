import { Call } from './call';
import { modelFailure, type Attempt } from './failures';
import type { ModelIdentity } from './model-error';
import type { CallOptions, ModelChunk, ModelProvider, ModelReply, ModelRequest } from './port';
import { estimateTokens, requestTexts } from './tokens';

const TIMEOUT_MS = 120_000;
const IDLE_TIMEOUT_MS = 60_000;

/** What every provider that speaks HTTP is made with. */
export interface HttpProviderOptions {
  readonly apiKey?: string | undefined;
  readonly model?: string | undefined;
  readonly baseUrl?: string | undefined;
  /** Bounds for calls that bring none of their own. */
  readonly timeoutMs?: number | undefined;
  readonly idleTimeoutMs?: number | undefined;
  /** For tests, proxies and guards; the default is Node's. */
  readonly fetch?: typeof fetch | undefined;
}

/** One API as our port sees it: what is sent and how the answer is read. Bounds and failures are dealt with around it. */
export interface Wire {
  readonly identity: ModelIdentity;
  readonly baseUrl: string;
  send(request: ModelRequest, attempt: Attempt): Promise<ModelReply>;
  stream(request: ModelRequest, attempt: Attempt): AsyncIterable<ModelChunk>;
  count?(request: ModelRequest, attempt: Attempt): Promise<number>;
  capabilities?(attempt: Attempt): Promise<Readonly<Record<string, boolean>>>;
  check(attempt: Attempt): Promise<void>;
}

const NO_REQUEST: ModelRequest = { messages: [] };

/** Makes a provider of an API: every call gets its bounds, and whatever it throws becomes a typed failure. */
export function overHttp(wire: Wire, options: HttpProviderOptions): ModelProvider {
  const open = opening(wire, options);

  const once = async <T>(
    request: ModelRequest,
    limits: CallOptions,
    work: (attempt: Attempt) => Promise<T>,
  ): Promise<T> => {
    const attempt = open(request, limits, false);
    try {
      return await attempt.call.until(work(attempt));
    } catch (error) {
      throw failureOf(error, attempt);
    } finally {
      attempt.call.close();
    }
  };

  return {
    name: wire.identity.provider,
    model: wire.identity.model,
    invoke: (request, limits = {}) => once(request, limits, (attempt) => wire.send(request, attempt)),
    async *invokeStreaming(request, limits = {}) {
      const attempt = open(request, limits, true);
      try {
        yield* wire.stream(request, attempt);
      } catch (error) {
        throw failureOf(error, attempt);
      } finally {
        attempt.call.close();
      }
    },
    countTokens: async (request, limits = {}) => {
      limits.signal?.throwIfAborted();
      return once(
        request,
        limits,
        async (attempt) => (await wire.count?.(request, attempt)) ?? estimateTokens(request),
      );
    },
    ...(wire.capabilities === undefined
      ? {}
      : {
          capabilities: (limits = {}) =>
            once(NO_REQUEST, limits, async (attempt) => (await wire.capabilities?.(attempt)) ?? {}),
        }),
    check: (limits = {}) => once(NO_REQUEST, limits, (attempt) => wire.check(attempt)),
  };
}

/** Opens calls within the bounds they bring, else those of the provider. */
function opening(
  wire: Wire,
  options: HttpProviderOptions,
): (request: ModelRequest, limits: CallOptions, streaming: boolean) => Attempt {
  return (request, limits, streaming) => {
    limits.signal?.throwIfAborted();
    const call = new Call(
      {
        signal: limits.signal,
        timeoutMs: limits.timeoutMs ?? options.timeoutMs ?? TIMEOUT_MS,
        idleTimeoutMs: limits.idleTimeoutMs ?? options.idleTimeoutMs ?? IDLE_TIMEOUT_MS,
        streaming,
      },
      options.fetch ?? fetch,
    );
    const keys = options.apiKey === undefined ? [] : [options.apiKey];
    const host = new URL(wire.baseUrl).host;
    return { identity: wire.identity, call, host, confidential: { keys, prompt: requestTexts(request) } };
  };
}

function failureOf(error: unknown, attempt: Attempt): Error {
  // The caller's reason goes back unchanged, whatever it is: it means cancellation, not a model failure.
  if (attempt.call.stopped === 'aborted') attempt.call.bounds.signal?.throwIfAborted();
  return modelFailure(error, attempt);
}
