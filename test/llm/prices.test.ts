import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { UNKNOWN_USAGE } from '../../src/llm/model-error';
import type { ModelUsage } from '../../src/llm/port';
import { costMicros, LIST_PRICES, readPrices } from '../../src/llm/prices';
import { ANTHROPIC_DEFAULT_MODEL } from '../../src/llm/providers/anthropic';
import { OPENAI_DEFAULT_MODEL } from '../../src/llm/providers/openai';
import { temporaryFolder } from '../support/team';

const usage = (given: Partial<ModelUsage>): ModelUsage => ({
  inputTokens: 0,
  outputTokens: 0,
  cachedInputTokens: 0,
  cacheWriteTokens: 0,
  reasoningTokens: 0,
  ...given,
});

test.each<[string, string, Partial<ModelUsage>, number]>([
  ['input and output', 'claude-sonnet-5-5', { inputTokens: 1_000_000, outputTokens: 1_000_000 }, 12_000_000],
  [
    'what the cache served and took, apart from the rest of the input',
    'claude-sonnet-5-5',
    { inputTokens: 10_000, cachedInputTokens: 6_000, cacheWriteTokens: 3_000 },
    2_000 + 600 + 7_500,
  ],
  ['a fraction of a micro-dollar as a whole one', 'gpt-5-nano', { inputTokens: 1 }, 1],
  ['a fraction of one beside whole ones', 'gpt-5-nano', { inputTokens: 61, outputTokens: 5 }, 6],
  ['whole micro-dollars as they are', 'gpt-4o-mini', { inputTokens: 20_000 }, 3_000],
  ['a cache without a price of its own like input', 'gpt-4o-2024-05-13', { inputTokens: 10 }, 50],
  ['a dated version like its model', 'gpt-4o-2024-08-06', { inputTokens: 10 }, 25],
  ['a prompt at the limit like any other', 'claude-haiku-5-5', { inputTokens: 100_000 }, 10_000],
  [
    'a longer prompt at the price of long ones, its output too',
    'claude-haiku-5-5-20261007',
    { inputTokens: 100_001, outputTokens: 10 },
    50_001 + 25,
  ],
  ['nothing for nothing', 'gpt-5', {}, 0],
])('reckons %s', (_title, model, counts, micros) => {
  expect(costMicros(model, usage(counts))).toEqual({ costMicros: micros, pricesOf: '2026-10-24' });
});

test.each<[string, string, Partial<ModelUsage>]>([
  ['a model without a price', 'llama3.3', {}],
  ['a variant of a model with a price', 'gpt-4o-audio-preview', {}],
  ['unknown input', 'gpt-5', { inputTokens: null }],
  ['unknown output', 'gpt-5', { outputTokens: null }],
  ['an unknown part of the cache, where it has its price', 'gpt-5', { cachedInputTokens: null }],
  ['an unknown cache write, where it has its price', 'claude-sonnet-5-5', { cacheWriteTokens: null }],
  ['counts that contradict each other', 'gpt-5', { inputTokens: 5, cachedInputTokens: 6 }],
])('the cost of %s is unknown, not zero', (_title, model, counts) => {
  expect(costMicros(model, usage({ inputTokens: 100, outputTokens: 100, ...counts }))).toEqual({
    costMicros: null,
    pricesOf: null,
  });
});

test('what the offline provider does costs nothing, though its tokens are unknown', () => {
  expect(costMicros('extractive-1', UNKNOWN_USAGE)).toEqual({ costMicros: 0, pricesOf: null });
});

test('the default models have a price', () => {
  for (const model of [OPENAI_DEFAULT_MODEL, ANTHROPIC_DEFAULT_MODEL])
    expect(costMicros(model, usage({ inputTokens: 1 })).costMicros).toBe(2);
});

test('every price can be reckoned in whole numbers', () => {
  const prices = LIST_PRICES.flatMap(({ models }) => Object.values(models)).flatMap(({ above, ...base }) => [
    ...Object.values(base),
    ...Object.values(above ?? {}),
  ]);
  for (const price of prices.filter((one) => one !== undefined))
    expect(price * 10_000).toBeCloseTo(Math.round(price * 10_000), 6);
});

describe('a price file', () => {
  const folder = temporaryFolder('prices');
  afterAll(() => folder[Symbol.dispose]());
  const written = (content: string): string => {
    const file = join(folder.path, 'prices.json');
    writeFileSync(file, content);
    return file;
  };

  test('overrides and extends the prices that come along, with its own date', () => {
    const models = { 'gpt-5': { input: 1, output: 2 }, 'llama*': { input: 0.1, output: 0.1 } };
    const lists = readPrices(written(JSON.stringify({ date: '2026-11-20', models })));
    const million = usage({ inputTokens: 1_000_000, cachedInputTokens: null });
    const ours = (costMicros_: number) => ({ costMicros: costMicros_, pricesOf: '2026-11-20' });
    expect(costMicros('gpt-5', million, lists)).toEqual(ours(1_000_000));
    expect(costMicros('llama3.3:70b', million, lists)).toEqual(ours(100_000));
    expect(costMicros('o3', usage({ inputTokens: 10 }), lists).pricesOf).toBe('2026-10-24');
  });

  test.each([
    ['{', 'it is not JSON'],
    [JSON.stringify({ date: 'today', models: {} }), 'date'],
    [JSON.stringify({ date: '2026-11-20', models: { m: { input: -1, output: 1 } } }), 'models.m.input'],
    [JSON.stringify({ date: '2026-11-20', models: { m: { input: 1 } } }), 'models.m.output'],
  ])('%s is a configuration error that says where', (content, where) => {
    const read = (): unknown => readPrices(written(content));
    expect(read).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringContaining(where) }),
    );
  });

  test('that is not there is a configuration error', () => {
    expect(() => readPrices('/no/such/file')).toThrow(/it cannot be read/);
  });
});
