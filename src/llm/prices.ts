import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { AppError } from '../protocol/failures';
import type { ModelCallRecord } from '../protocol/model-call';
import type { ModelUsage } from './port';
import { PRICES_2026_10_24 } from './prices-2026-10-24';
import { OFFLINE_MODEL } from './providers/offline';

const Dollars = z.number().min(0).max(100_000);
const Price = z.strictObject({
  input: Dollars,
  /** Without a price of its own, what the cache served or took costs what input costs. */
  cachedInput: Dollars.optional(),
  cacheWrite: Dollars.optional(),
  output: Dollars,
});
const ModelPrice = Price.extend({
  /** What the whole request costs where its input is longer than this. */
  above: Price.extend({ inputTokens: z.int().min(1) }).optional(),
});
const PriceListFile = z.strictObject({
  date: z.iso.date(),
  models: z.record(z.string().min(1), ModelPrice),
});

type Price = z.infer<typeof Price>;
/** What a model costs, in USD per million tokens. */
export type ModelPrice = z.infer<typeof ModelPrice>;
/** Prices by model id, as of a date. An id covers its dated versions; one that ends in `*` all that begin like it. */
export type PriceList = z.infer<typeof PriceListFile>;

/** What a call cost, and the date of the prices it was reckoned by. */
export type Cost = Pick<ModelCallRecord, 'costMicros' | 'pricesOf'>;

const UNKNOWN: Cost = { costMicros: null, pricesOf: null };
const VERSION = /^(?:[-@](?:\d{8}|\d{4}-\d{2}-\d{2}|latest))?$/;
/** Prices have at most four decimals here, so that everything is reckoned in whole numbers. */
const SCALE = 10_000;

/** The prices that come with Ensemble. */
export const LIST_PRICES: readonly PriceList[] = [PRICES_2026_10_24];

/** The prices to reckon by: those of a file first, where one is given. Throws CONFIG_INVALID where it cannot be used. */
export function readPrices(file: string | undefined): readonly PriceList[] {
  if (file === undefined) return LIST_PRICES;
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    const why = error instanceof SyntaxError ? 'it is not JSON' : 'it cannot be read';
    throw new AppError('CONFIG_INVALID', `ENSEMBLE_PRICES_FILE ${file}: ${why}`);
  }
  const parsed = PriceListFile.safeParse(content);
  if (parsed.success) return [parsed.data, ...LIST_PRICES];
  const [issue] = parsed.error.issues;
  const where = issue?.path.join('.') ?? '';
  throw new AppError('CONFIG_INVALID', `ENSEMBLE_PRICES_FILE ${file}: ${where} ${issue?.message ?? ''}`);
}

/**
 * What a call cost in micro-dollars, rounded up. Null where the model's price or one of the counts it depends on is
 * unknown. The offline provider costs nothing: no one is called.
 */
export function costMicros(
  model: string,
  usage: ModelUsage,
  lists: readonly PriceList[] = LIST_PRICES,
): Cost {
  if (model === OFFLINE_MODEL) return { costMicros: 0, pricesOf: null };
  const found = find(model, lists);
  if (found === undefined) return UNKNOWN;
  const parts = partsOf(usage, found.price);
  if (parts === undefined) return UNKNOWN;
  const scaled = parts.reduce((sum, [tokens, dollars]) => sum + tokens * Math.round(dollars * SCALE), 0);
  return { costMicros: Math.ceil(scaled / SCALE), pricesOf: found.date };
}

/** The longest id that covers the model; of two alike, the one of the earlier list. */
function find(
  model: string,
  lists: readonly PriceList[],
): { readonly date: string; readonly price: ModelPrice } | undefined {
  const covering = lists.flatMap(({ date, models }) =>
    Object.entries(models).flatMap(([id, price]) =>
      covers(id, model) ? [{ date, price, length: id.length }] : [],
    ),
  );
  return covering.toSorted((one, other) => other.length - one.length)[0];
}

/** A model of another suffix is another model: `gpt-4o` says nothing of what `gpt-4o-mini` costs. */
function covers(id: string, model: string): boolean {
  if (id.endsWith('*')) return model.startsWith(id.slice(0, -1));
  return model.startsWith(id) && VERSION.test(model.slice(id.length));
}

/** Counts of tokens, each with its price per million; undefined where one is unknown. */
function partsOf(usage: ModelUsage, { above, ...base }: ModelPrice): [number, number][] | undefined {
  const { inputTokens, outputTokens } = usage;
  if (inputTokens === null || outputTokens === null) return undefined;
  const price: Price = above !== undefined && inputTokens > above.inputTokens ? above : base;
  const read = price.cachedInput === undefined ? 0 : usage.cachedInputTokens;
  const written = price.cacheWrite === undefined ? 0 : (usage.cacheWriteTokens ?? null);
  if (read === null || written === null || read + written > inputTokens) return undefined;
  return [
    [inputTokens - read - written, price.input],
    [read, price.cachedInput ?? price.input],
    [written, price.cacheWrite ?? price.input],
    [outputTokens, price.output],
  ];
}
