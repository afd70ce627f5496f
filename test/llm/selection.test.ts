import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadConfig } from '../../src/config';
import { modelChooser, PROVIDERS, selectProvider } from '../../src/llm/factory';
import { ANTHROPIC_DEFAULT_MODEL } from '../../src/llm/providers/anthropic';
import { offlineProvider } from '../../src/llm/providers/offline';
import { OPENAI_DEFAULT_MODEL } from '../../src/llm/providers/openai';
import { COMPATIBLE_DEFAULT_MODEL } from '../../src/llm/providers/openai-compatible';
import type { ModelSettings } from '../../src/llm/settings';
import { startProviderServer } from '../support/provider-server/server';
import { TEST_KEY } from './subjects';

const LOCAL = 'http://127.0.0.1:11434/v1';

test.each<[string, ModelSettings, string, string]>([
  ['nothing', {}, 'offline', 'no key and no base URL is set'],
  ['an Anthropic key', { ANTHROPIC_API_KEY: 'a' }, 'anthropic', 'ANTHROPIC_API_KEY is set'],
  ['an OpenAI key', { OPENAI_API_KEY: 'o' }, 'openai', 'OPENAI_API_KEY is set'],
  ['a base URL', { OPENAI_BASE_URL: LOCAL }, 'openai-compatible', 'OPENAI_BASE_URL is set'],
  [
    'a base URL and its key',
    { OPENAI_BASE_URL: LOCAL, OPENAI_API_KEY: 'o' },
    'openai-compatible',
    'OPENAI_BASE_URL',
  ],
  [
    "OpenAI's own URL and a key",
    { OPENAI_BASE_URL: 'https://eu.api.openai.com/v1', OPENAI_API_KEY: 'o' },
    'openai',
    'OPENAI_API_KEY',
  ],
  ['both keys', { ANTHROPIC_API_KEY: 'a', OPENAI_API_KEY: 'o' }, 'anthropic', 'OPENAI_API_KEY set too'],
  [
    'everything',
    { ANTHROPIC_API_KEY: 'a', OPENAI_API_KEY: 'o', OPENAI_BASE_URL: LOCAL },
    'anthropic',
    'OPENAI_API_KEY and OPENAI_BASE_URL set too',
  ],
])('auto with %s takes the documented provider and says why', (_title, settings, name, why) => {
  const selection = selectProvider({ ENSEMBLE_MODEL_PROVIDER: 'auto', ...settings });
  expect(selection.provider.name).toBe(name);
  expect(selection.why).toContain(why);
});

test.each([
  ['openai', 'OPENAI_API_KEY'],
  ['anthropic', 'ANTHROPIC_API_KEY'],
  ['openai-compatible', 'OPENAI_BASE_URL'],
])('%s without what it needs is a configuration error that names the variable', (name, variable) => {
  const select = (): unknown => selectProvider({ ENSEMBLE_MODEL_PROVIDER: name });
  expect(select).toThrow(
    expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringContaining(variable) }),
  );
});

test('a provider that is named is taken whatever else is set', () => {
  const settings = { ANTHROPIC_API_KEY: 'a', OPENAI_API_KEY: 'o', ENSEMBLE_MODEL_PROVIDER: 'offline' };
  expect(selectProvider(settings).provider.name).toBe('offline');
  expect(selectProvider({ ...settings, ENSEMBLE_MODEL_PROVIDER: 'openai' }).provider.name).toBe('openai');
});

test('a key that cannot be sent is a configuration error that does not repeat it', () => {
  for (const key of ['sk-abc…xyz', 'sk-abc xyz', 'sk-abc\nxyz']) {
    const select = (): unknown => selectProvider({ ANTHROPIC_API_KEY: key });
    expect(select).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.not.stringContaining('abc') }),
    );
  }
});

test('an unknown provider is a configuration error that names the known ones', () => {
  expect(() => selectProvider({ ENSEMBLE_MODEL_PROVIDER: 'oracle' })).toThrow(
    /there are anthropic, openai, openai-compatible, offline/,
  );
});

test('the model is the configured one, else the default of the provider', () => {
  const model = (settings: ModelSettings): string => selectProvider(settings).provider.model;
  expect(model({ OPENAI_API_KEY: 'o' })).toBe(OPENAI_DEFAULT_MODEL);
  expect(model({ ANTHROPIC_API_KEY: 'a' })).toBe(ANTHROPIC_DEFAULT_MODEL);
  expect(model({ OPENAI_BASE_URL: LOCAL })).toBe(COMPATIBLE_DEFAULT_MODEL);
  expect(model({ OPENAI_BASE_URL: LOCAL, ENSEMBLE_MODEL: 'llama3' })).toBe('llama3');
});

test('docs/models.md names the default models', () => {
  const docs = readFileSync(join(__dirname, '../../docs/models.md'), 'utf8');
  for (const model of [OPENAI_DEFAULT_MODEL, ANTHROPIC_DEFAULT_MODEL, COMPATIBLE_DEFAULT_MODEL])
    expect(docs).toContain(`\`${model}\``);
});

test('fallbacks make a chain, whose log line names every model', () => {
  const { provider, why } = selectProvider({
    ANTHROPIC_API_KEY: 'a',
    OPENAI_BASE_URL: LOCAL,
    ENSEMBLE_MODEL: 'claude-opus-5-5',
    ENSEMBLE_MODEL_FALLBACKS: ['anthropic', 'openai-compatible:llama3.3:70b', 'offline'],
  });
  expect(provider).toMatchObject({ name: 'anthropic', model: 'claude-opus-5-5' });
  expect(why).toContain('anthropic (claude-opus-5-5): ANTHROPIC_API_KEY is set');
  expect(why).toContain(
    `; then anthropic (${ANTHROPIC_DEFAULT_MODEL}), openai-compatible (llama3.3:70b), offline (extractive-1)`,
  );
});

test.each([
  ['oracle:big', /ENSEMBLE_MODEL_FALLBACKS: there is no provider oracle/],
  ['openai:gpt-5', /OPENAI_API_KEY must be set for the model provider openai/],
])('the fallback %s without what it needs is a configuration error', (fallback, problem) => {
  expect(() => selectProvider({ ENSEMBLE_MODEL_FALLBACKS: [fallback] })).toThrow(problem);
});

test('configuration takes fallbacks as a list', () => {
  const list = ' openai:gpt-5 , openai-compatible:llama3.3:70b,offline';
  expect(loadConfig({ ENSEMBLE_MODEL_FALLBACKS: list }).ENSEMBLE_MODEL_FALLBACKS).toEqual([
    'openai:gpt-5',
    'openai-compatible:llama3.3:70b',
    'offline',
  ]);
  expect(() => loadConfig({ ENSEMBLE_MODEL_FALLBACKS: 'gpt 5' })).toThrow(
    /ENSEMBLE_MODEL_FALLBACKS must hold/,
  );
});

test('prices of a file come with the selection', () => {
  expect(selectProvider({}).prices?.[0]?.date).toBe('2026-10-24');
  expect(() => selectProvider({ ENSEMBLE_PRICES_FILE: '/no/such/file' })).toThrow(/ENSEMBLE_PRICES_FILE/);
});

test('a new provider is registered by its name', () => {
  const registry = new Map([['oracle', () => ({ ...offlineProvider(), name: 'oracle' })]]);
  expect(selectProvider({ ENSEMBLE_MODEL_PROVIDER: 'oracle' }, { registry }).provider.name).toBe('oracle');
  expect(PROVIDERS.has('oracle')).toBe(false);
});

test('keys and base URLs go where they belong, and the environment of the SDKs is not read', async () => {
  await using server = await startProviderServer({ script: () => ({ text: 'ok' }) });
  const misleading = {
    OPENAI_ORG_ID: 'org-env',
    OPENAI_PROJECT_ID: 'project-env',
    ANTHROPIC_AUTH_TOKEN: 'token-env',
  };
  const before = { ...process.env };
  Object.assign(process.env, misleading);
  try {
    const base = { OPENAI_BASE_URL: server.openAiUrl, ANTHROPIC_BASE_URL: server.anthropicUrl };
    const ask = async (settings: ModelSettings): Promise<string> => {
      await selectProvider({ ...base, ...settings }).provider.invoke({
        messages: [{ role: 'user', text: 'Hi' }],
      });
      return JSON.stringify(server.requests.at(-1)?.headers);
    };
    const openai = await ask({ ENSEMBLE_MODEL_PROVIDER: 'openai', OPENAI_API_KEY: TEST_KEY });
    const anthropic = await ask({ ENSEMBLE_MODEL_PROVIDER: 'anthropic', ANTHROPIC_API_KEY: TEST_KEY });
    const keyless = await ask({ ENSEMBLE_MODEL_PROVIDER: 'openai-compatible' });
    expect(openai).toContain(`"authorization":"Bearer ${TEST_KEY}"`);
    expect(anthropic).toContain(TEST_KEY);
    expect(keyless).not.toContain('authorization');
    for (const headers of [openai, anthropic, keyless]) expect(headers).not.toMatch(/-env/);
  } finally {
    for (const name of Object.keys(misleading)) delete process.env[name];
    Object.assign(process.env, before);
  }
});

test('an injected fetch carries every call', async () => {
  await using server = await startProviderServer({ script: () => ({ text: 'ok' }) });
  const seen: string[] = [];
  const spy: typeof fetch = (url, init) => {
    seen.push(url instanceof Request ? url.url : String(url));
    return fetch(url, init);
  };
  const { provider } = selectProvider({ OPENAI_BASE_URL: server.openAiUrl }, { fetch: spy });
  await provider.invoke({ messages: [{ role: 'user', text: 'Hi' }] });
  expect(seen).toEqual([`${server.openAiUrl}/chat/completions`]);
});

test('a model that is asked for by name is made with the keys there are, and without the fallbacks', () => {
  const choose = modelChooser({
    OPENAI_BASE_URL: LOCAL,
    ENSEMBLE_MODEL_PROVIDER: 'offline',
    ENSEMBLE_MODEL: 'another',
    ENSEMBLE_MODEL_FALLBACKS: ['offline'],
  });
  const made = choose({ provider: 'openai-compatible', model: 'llama3.3:70b' });
  expect(made).toMatchObject({ name: 'openai-compatible', model: 'llama3.3:70b' });
  expect(() => choose({ provider: 'anthropic', model: 'm' })).toThrow(
    /ANTHROPIC_API_KEY must be set for the model provider anthropic/,
  );
  expect(() => choose({ provider: 'oracle', model: 'm' })).toThrow(/there is no provider oracle; there are /);
});
