import { AppError, FAILURES } from '../protocol/failures';
import { ModelError, type ModelFailureCode } from './model-error';
import type { ModelProvider } from './port';

/** Models in the order in which they are tried. */
export type ModelChain = readonly [ModelProvider, ...ModelProvider[]];

/** A provider made of several: each is tried where those before it failed. */
export interface FallbackProvider extends ModelProvider {
  readonly members: ModelChain;
}

/**
 * Whether another model is tried after a failure. A refusal is an answer, not to be taken to someone else; a request that
 * is not accepted, or an output limit that is too short for it, would fail everywhere.
 */
const GOES_ON: Readonly<Record<ModelFailureCode, boolean>> = {
  MODEL_KEY_INVALID: true,
  MODEL_REQUEST_INVALID: false,
  MODEL_UNSUPPORTED: true,
  MODEL_QUOTA_EXHAUSTED: true,
  MODEL_RATE_LIMITED: true,
  MODEL_OVERLOADED: true,
  MODEL_PROVIDER_FAILED: true,
  MODEL_UNREACHABLE: true,
  MODEL_TIMEOUT: true,
  MODEL_STREAM_SILENT: true,
  MODEL_CONTEXT_TOO_LONG: true,
  MODEL_REFUSED: false,
  MODEL_ANSWER_INVALID: true,
  MODEL_ANSWER_TRUNCATED: false,
  MODEL_ANSWER_CUT: true,
  MODEL_ANSWER_TOO_LARGE: true,
};

/** A failed call to one model of a chain. */
interface Tried {
  readonly member: ModelProvider;
  readonly error: AppError & { readonly code: ModelFailureCode };
}

/**
 * Tries the models one after the other, each once. It goes by the name of the first; replies say who answered. A stream
 * moves on only before its first chunk. The failure that surfaces names every model that was tried.
 */
export function fallbackProvider(members: ModelChain): FallbackProvider {
  const [{ name, model }] = members;
  const firstToAnswer = async <T>(call: (member: ModelProvider) => Promise<T>): Promise<T> => {
    const tried: Tried[] = [];
    for (const member of members) {
      try {
        return await call(member);
      } catch (error) {
        tried.push(failureOf(member, error));
        if (!mayGoOn(tried)) break;
      }
    }
    throw surfacing(tried);
  };
  return {
    members,
    name,
    model,
    invoke: (request, options) => firstToAnswer((member) => member.invoke(request, options)),
    async *invokeStreaming(request, options) {
      const tried: Tried[] = [];
      for (const member of members) {
        let begun = false;
        try {
          for await (const chunk of member.invokeStreaming(request, options)) {
            begun = true;
            yield chunk;
          }
          return;
        } catch (error) {
          tried.push(failureOf(member, error));
          if (begun) throw surfacing(tried, tried.at(-1));
          if (!mayGoOn(tried)) break;
        }
      }
      throw surfacing(tried);
    },
    countTokens: (request, options) => firstToAnswer((member) => member.countTokens(request, options)),
    check: (options) => firstToAnswer(async (member) => member.check?.(options)),
  };
}

/** Wraps every model behind a provider: a chain becomes a chain of wrapped models, so that each call of it is seen. */
export function wrapEach(
  provider: ModelProvider,
  wrap: (model: ModelProvider) => ModelProvider,
): ModelProvider {
  if (!isFallback(provider)) return wrap(provider);
  const [first, ...others] = provider.members;
  return fallbackProvider([wrap(first), ...others.map(wrap)]);
}

function isFallback(provider: ModelProvider): provider is FallbackProvider {
  return 'members' in provider;
}

/** What a model failed with; a cancellation, or a mistake in the code, is no failure of a model and ends the chain. */
function failureOf(member: ModelProvider, error: unknown): Tried {
  if (AppError.is(error) && isModelFailure(error)) return { member, error };
  throw error;
}

function isModelFailure(error: AppError): error is Tried['error'] {
  return Object.hasOwn(GOES_ON, error.code);
}

function mayGoOn(tried: readonly Tried[]): boolean {
  const last = tried.at(-1);
  return last !== undefined && GOES_ON[last.error.code];
}

/**
 * One failure for all that were tried: what ended the chain, else the first after which another attempt may help, else
 * the first. Tried again after what was asked for only where every one that may help asked for something.
 */
function surfacing(tried: readonly Tried[], ending = tried.find(({ error }) => !GOES_ON[error.code])): Error {
  const [first] = tried;
  const retryable = tried.filter(({ error }) => FAILURES[error.code].retry);
  const told = ending ?? retryable[0] ?? first;
  if (told === undefined) return new AppError('INTERNAL', 'a chain of models has no model');
  if (tried.length === 1) return told.error;
  const delays = (ending === undefined ? retryable : [ending]).map(({ error }) => error.retryAfterMs ?? 0);
  const delay = Math.min(...delays);
  const { name: provider, model } = told.member;
  const own = told.error.message.replace(`${provider} (${model}): `, '');
  const others = tried.filter((one) => one !== told).map(({ error }) => error.message);
  return new ModelError(told.error.code, `${own}; tried too: ${others.join('; ')}`, {
    provider,
    model,
    ...(delay > 0 && Number.isFinite(delay) ? { retryAfterMs: delay } : {}),
  });
}
