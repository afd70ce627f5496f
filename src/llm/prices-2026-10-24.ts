import type { ModelPrice, PriceList } from './prices';

const OPENAI_LONG = 272_000;

/** OpenAI's long prompts: input of every kind costs twice, output one and a half times, for the whole request. */
function openAi(price: Omit<ModelPrice, 'above'>): ModelPrice {
  const { input, cachedInput, cacheWrite, output } = price;
  return {
    ...price,
    above: {
      inputTokens: OPENAI_LONG,
      input: input * 2,
      ...(cachedInput === undefined ? {} : { cachedInput: cachedInput * 2 }),
      ...(cacheWrite === undefined ? {} : { cacheWrite: cacheWrite * 2 }),
      output: output * 1.5,
    },
  };
}

const OPUS_5 = { input: 5, cachedInput: 0.5, cacheWrite: 6.25, output: 25 };
const OPUS_4 = { input: 15, cachedInput: 1.5, cacheWrite: 18.75, output: 75 };
const SONNET_4 = { input: 3, cachedInput: 0.3, cacheWrite: 3.75, output: 15 };
const FABLE_5 = { input: 10, cachedInput: 1, cacheWrite: 12.5, output: 50 };
const GPT_5 = { input: 1.25, cachedInput: 0.125, output: 10 };
const GPT_56_SOL = openAi({ input: 4, cachedInput: 0.4, cacheWrite: 5, output: 20 });

/**
 * List prices in USD per million tokens on 24 October 2026: OpenAI's page "Pricing" (standard tier) and Anthropic's page
 * "Pricing" (cache writes that last five minutes). A model whose price is not known for certain is not in it.
 */
export const PRICES_2026_10_24: PriceList = {
  date: '2026-10-24',
  models: {
    'claude-fable-5-1': { ...FABLE_5, cachedInput: 0.25 },
    'claude-mythos-5-1': { ...FABLE_5, cachedInput: 0.25 },
    'claude-fable-5': FABLE_5,
    'claude-mythos-5': FABLE_5,
    'claude-opus-5-5': { input: 4, cachedInput: 0.2, cacheWrite: 5, output: 20 },
    'claude-opus-5': OPUS_5,
    'claude-opus-4-8': OPUS_5,
    'claude-opus-4-7': OPUS_5,
    'claude-opus-4-6': OPUS_5,
    'claude-opus-4-5': OPUS_5,
    'claude-opus-4-1': OPUS_4,
    'claude-opus-4': OPUS_4,
    'claude-sonnet-5-5': { input: 2, cachedInput: 0.1, cacheWrite: 2.5, output: 10 },
    'claude-sonnet-5': { input: 2, cachedInput: 0.2, cacheWrite: 2.5, output: 10 },
    'claude-sonnet-4-6': SONNET_4,
    'claude-sonnet-4-5': SONNET_4,
    'claude-haiku-5-5': {
      input: 0.1,
      cachedInput: 0.01,
      cacheWrite: 0.125,
      output: 0.5,
      above: { inputTokens: 100_000, input: 0.5, cachedInput: 0.05, cacheWrite: 0.625, output: 2.5 },
    },
    'claude-haiku-4-5': { input: 1, cachedInput: 0.1, cacheWrite: 1.25, output: 5 },
    'gpt-6-sol': openAi({ input: 2, cachedInput: 0.2, cacheWrite: 2.5, output: 10 }),
    'gpt-6-luna': openAi({ input: 0.1, cachedInput: 0.01, cacheWrite: 0.125, output: 0.5 }),
    'gpt-5.6': GPT_56_SOL,
    'gpt-5.6-sol': GPT_56_SOL,
    'gpt-5.6-terra': openAi({ input: 2, cachedInput: 0.2, cacheWrite: 2.5, output: 12 }),
    'gpt-5.6-luna': openAi({ input: 0.2, cachedInput: 0.02, cacheWrite: 0.25, output: 1.2 }),
    'gpt-5.5': openAi({ input: 5, cachedInput: 0.5, output: 30 }),
    'gpt-5.4': openAi({ input: 2.5, cachedInput: 0.25, output: 15 }),
    'gpt-5.4-mini': { input: 0.75, cachedInput: 0.075, output: 4.5 },
    'gpt-5.4-nano': { input: 0.2, cachedInput: 0.02, output: 1.25 },
    'gpt-5.2': { input: 1.75, cachedInput: 0.175, output: 14 },
    'gpt-5.1': GPT_5,
    'gpt-5': GPT_5,
    'gpt-5-mini': { input: 0.25, cachedInput: 0.025, output: 2 },
    'gpt-5-nano': { input: 0.05, cachedInput: 0.005, output: 0.4 },
    'gpt-4.1': { input: 2, cachedInput: 0.5, output: 8 },
    'gpt-4.1-mini': { input: 0.4, cachedInput: 0.1, output: 1.6 },
    'gpt-4.1-nano': { input: 0.1, cachedInput: 0.025, output: 0.4 },
    'gpt-4o': { input: 2.5, cachedInput: 1.25, output: 10 },
    'gpt-4o-2024-05-13': { input: 5, output: 15 },
    'gpt-4o-mini': { input: 0.15, cachedInput: 0.075, output: 0.6 },
    o3: { input: 2, cachedInput: 0.5, output: 8 },
    'o4-mini': { input: 1.1, cachedInput: 0.275, output: 4.4 },
    'o3-mini': { input: 1.1, cachedInput: 0.55, output: 4.4 },
  },
};
