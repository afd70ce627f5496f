import type { ModelChoice } from '../protocol/agent-definition';
import { AppError } from '../protocol/failures';
import { fallbackProvider } from './fallback';
import type { HttpProviderOptions } from './http';
import type { ModelProvider } from './port';
import { type PriceList, readPrices } from './prices';
import { loadProviders } from './provider-modules';
import { anthropicProvider } from './providers/anthropic';
import { offlineProvider } from './providers/offline';
import { openAiProvider } from './providers/openai';
import { openAiCompatibleProvider } from './providers/openai-compatible';
import type { ModelSettings } from './settings';

/** What is given to providers beside their settings. */
export interface SelectOptions {
  /** For tests, proxies and guards; the default is Node's. */
  readonly fetch?: typeof fetch;
  /** Providers beside the built-in ones, by name. */
  readonly registry?: ProviderRegistry;
}

/** Makes a provider of its settings. Throws CONFIG_INVALID where one is missing. */
export type ProviderFactory = (settings: ModelSettings, options: SelectOptions) => ModelProvider;

export type ProviderRegistry = ReadonlyMap<string, ProviderFactory>;

/** The provider in use, the reason in one line, and the prices to reckon its calls by (unless told: list prices). */
export interface Selection {
  readonly provider: ModelProvider;
  readonly why: string;
  readonly prices?: readonly PriceList[];
}

/** The providers that come with Ensemble. A new one is one entry more. */
export const PROVIDERS: ProviderRegistry = new Map<string, ProviderFactory>([
  [
    'anthropic',
    (settings, options) =>
      anthropicProvider({
        ...common(settings, options),
        apiKey: needed(settings, 'ANTHROPIC_API_KEY'),
        baseUrl: settings.ANTHROPIC_BASE_URL,
      }),
  ],
  [
    'openai',
    (settings, options) =>
      openAiProvider({
        ...common(settings, options),
        apiKey: needed(settings, 'OPENAI_API_KEY'),
        baseUrl: settings.OPENAI_BASE_URL,
      }),
  ],
  [
    'openai-compatible',
    (settings, options) =>
      openAiCompatibleProvider({
        ...common(settings, options),
        apiKey: sendable(settings, 'OPENAI_API_KEY'),
        baseUrl: needed(settings, 'OPENAI_BASE_URL'),
      }),
  ],
  ['offline', () => offlineProvider()],
]);

/**
 * Chooses the provider: the one that is named, or for `auto` the first that has what it needs, in the order
 * Anthropic (key), OpenAI-compatible (base URL), OpenAI (key), offline; with fallbacks, a chain that begins with it.
 * Throws CONFIG_INVALID naming the variable.
 */
export function selectProvider(settings: ModelSettings, options: SelectOptions = {}): Selection {
  const wanted = settings.ENSEMBLE_MODEL_PROVIDER ?? 'auto';
  const { name, because } =
    wanted === 'auto' ? chosen(settings) : { name: wanted, because: 'ENSEMBLE_MODEL_PROVIDER names it' };
  const registry = registryOf(settings, options);
  const create = (of: ModelSettings, provider: string, variable: string): ModelProvider => {
    const factory = registry.get(provider);
    if (factory !== undefined) return factory({ ...of, ENSEMBLE_MODEL_PROVIDER: provider }, options);
    throw new AppError('CONFIG_INVALID', `${variable}: ${noProvider(provider, registry)}`);
  };
  const first = create(settings, name, 'ENSEMBLE_MODEL_PROVIDER');
  const others = (settings.ENSEMBLE_MODEL_FALLBACKS ?? []).map((entry) => {
    const [provider = '', ...model] = entry.split(':');
    // Names of models hold colons too.
    const own = { ...settings, ENSEMBLE_MODEL: model.length === 0 ? undefined : model.join(':') };
    return create(own, provider, 'ENSEMBLE_MODEL_FALLBACKS');
  });
  const then = others.map((provider) => `${provider.name} (${provider.model})`).join(', ');
  const why = `${first.name} (${first.model}): ${because}${modelNote(settings, name)}`;
  return {
    provider: others.length === 0 ? first : fallbackProvider([first, ...others]),
    why: then === '' ? why : `${why}; then ${then}`,
    prices: readPrices(settings.ENSEMBLE_PRICES_FILE),
  };
}

/**
 * Makes models that are asked for by provider and name, with the keys of these settings and without their fallbacks.
 * What it returns throws CONFIG_INVALID where there is no such provider, or its key is missing.
 */
export function modelChooser(
  settings: ModelSettings,
  options: SelectOptions = {},
): (choice: ModelChoice) => ModelProvider {
  const registry = registryOf(settings, options);
  return ({ provider, model }) => {
    const factory = registry.get(provider);
    if (factory === undefined) throw new AppError('CONFIG_INVALID', noProvider(provider, registry));
    return factory({ ...settings, ENSEMBLE_MODEL_PROVIDER: provider, ENSEMBLE_MODEL: model }, options);
  };
}

function registryOf(settings: ModelSettings, options: SelectOptions): ProviderRegistry {
  return new Map([
    ...PROVIDERS,
    ...loadProviders(settings.ENSEMBLE_PROVIDERS_PATH ?? []),
    ...(options.registry ?? []),
  ]);
}

function noProvider(provider: string, registry: ProviderRegistry): string {
  return `there is no provider ${provider}; there are ${[...registry.keys()].join(', ')}`;
}

function chosen(settings: ModelSettings): { name: string; because: string } {
  const { ANTHROPIC_API_KEY: anthropic, OPENAI_API_KEY: openai, OPENAI_BASE_URL: base } = settings;
  if (anthropic !== undefined) {
    const others = [
      openai === undefined ? [] : 'OPENAI_API_KEY',
      base === undefined ? [] : 'OPENAI_BASE_URL',
    ].flat();
    const too =
      others.length === 0
        ? ''
        : `; ${others.join(' and ')} set too, ENSEMBLE_MODEL_PROVIDER would choose otherwise`;
    return { name: 'anthropic', because: `ANTHROPIC_API_KEY is set${too}` };
  }
  // A key beside a base URL is that server's key; sent to OpenAI it would be given away.
  if (base !== undefined && !isOpenAi(base))
    return { name: 'openai-compatible', because: 'OPENAI_BASE_URL is set' };
  if (openai !== undefined) return { name: 'openai', because: 'OPENAI_API_KEY is set' };
  return {
    name: 'offline',
    because:
      'no key and no base URL is set; text is extracted, not written: set ANTHROPIC_API_KEY, OPENAI_API_KEY or OPENAI_BASE_URL',
  };
}

function isOpenAi(baseUrl: string): boolean {
  const { hostname } = new URL(baseUrl);
  return hostname === 'openai.com' || hostname.endsWith('.openai.com');
}

function modelNote({ ENSEMBLE_MODEL: model }: ModelSettings, name: string): string {
  if (name === 'offline' && model !== undefined) return `; ENSEMBLE_MODEL=${model} has no effect`;
  const unnamed = name === 'openai-compatible' && model === undefined;
  return unnamed ? '; ENSEMBLE_MODEL is not set, which servers with several models refuse' : '';
}

function common(settings: ModelSettings, { fetch }: SelectOptions): HttpProviderOptions {
  return { model: settings.ENSEMBLE_MODEL, timeoutMs: settings.ENSEMBLE_MODEL_TIMEOUT_MS, fetch };
}

function needed(
  settings: ModelSettings,
  name: 'ANTHROPIC_API_KEY' | 'OPENAI_API_KEY' | 'OPENAI_BASE_URL',
): string {
  const value = sendable(settings, name);
  if (value !== undefined && value !== '') return value;
  const provider = settings.ENSEMBLE_MODEL_PROVIDER ?? 'auto';
  throw new AppError('CONFIG_INVALID', `${name} must be set for the model provider ${provider}`);
}

/** A key cut short by an ellipsis, or pasted with a line break, cannot even be sent. */
function sendable(
  settings: ModelSettings,
  name: 'ANTHROPIC_API_KEY' | 'OPENAI_API_KEY' | 'OPENAI_BASE_URL',
): string | undefined {
  const value = settings[name];
  if (value === undefined || /^[\x21-\x7e]*$/.test(value)) return value;
  throw new AppError('CONFIG_INVALID', `${name} holds characters that cannot be sent; copy it again, whole`);
}
