import type { Sentence } from './sentences';

/** What to choose sentences by. */
export interface Focus {
  /** Terms of the question; sentences that hold them count for more. */
  readonly terms: readonly string[];
  readonly sentences: number;
  /** The whole choice holds no more characters than this, where that is possible. */
  readonly chars: number;
}

const SHORT_TERMS = 4;
const LONG_TERMS = 40;
/** Rows of tables and drawings in letters read badly outside of them. */
const ROW_OR_DRAWING = /\|| {3,}|[─-╿]/;

/**
 * Chooses the sentences that say most of what a text says: by the frequency of their terms, the question's terms and
 * their place, each choice making its own terms worth less, so that no two say the same. Returned in reading order.
 */
export function extract(
  sentences: readonly Sentence[],
  { terms, sentences: most, chars }: Focus,
): Sentence[] {
  const weights = termWeights(sentences);
  const asked = new Set(terms);
  const left = new Set(sentences);
  const chosen: Sentence[] = [];
  let used = 0;
  while (chosen.length < most && left.size > 0) {
    const best = bestOf(left, (sentence) => score(sentence, weights, asked));
    if (best === undefined) break;
    left.delete(best);
    if (chosen.length > 0 && used + best.text.length > chars) continue;
    chosen.push(best);
    used += best.text.length;
    for (const term of best.terms) weights.set(term, (weights.get(term) ?? 0) ** 2);
  }
  return chosen.toSorted((one, other) => one.index - other.index);
}

/** Sentences by how many of the terms they hold, best first; only those that hold one. */
export function matching(sentences: readonly Sentence[], terms: readonly string[]): Sentence[] {
  const wanted = new Set(terms);
  return sentences
    .map((sentence) => ({ sentence, hits: new Set(sentence.terms.filter((term) => wanted.has(term))).size }))
    .filter(({ hits }) => hits > 0)
    .toSorted((one, other) => other.hits - one.hits || one.sentence.index - other.sentence.index)
    .map(({ sentence }) => sentence);
}

/** How often a term occurs, relative to the most frequent; between 0 and 1, so that squaring lowers it. */
function termWeights(sentences: readonly Sentence[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { terms } of sentences) for (const term of terms) counts.set(term, (counts.get(term) ?? 0) + 1);
  let highest = 1;
  for (const count of counts.values()) highest = Math.max(highest, count);
  return new Map([...counts].map(([term, count]) => [term, Math.log1p(count) / Math.log1p(highest + 1)]));
}

function score(
  { text, terms, place }: Sentence,
  weights: ReadonlyMap<string, number>,
  asked: ReadonlySet<string>,
): number {
  if (terms.length === 0) return -1;
  const distinct = [...new Set(terms)];
  const frequency = distinct.reduce((sum, term) => sum + (weights.get(term) ?? 0), 0) / distinct.length;
  const held = distinct.filter((term) => asked.has(term)).length;
  const answering = asked.size === 0 ? 0 : held / Math.sqrt(asked.size * distinct.length);
  const leading = place === 0 ? 0.15 : 0;
  // Headings say too little to stand alone, and very long units are lists or data.
  const length = distinct.length < SHORT_TERMS ? 0.5 : terms.length > LONG_TERMS ? 0.8 : 1;
  const drawn = ROW_OR_DRAWING.test(text) ? 0.4 : 1;
  return (frequency + 1.5 * answering + leading) * length * drawn;
}

function bestOf<T>(items: Iterable<T>, value: (item: T) => number): T | undefined {
  let best: T | undefined;
  let highest = Number.NEGATIVE_INFINITY;
  for (const item of items) {
    const here = value(item);
    if (here > highest) [best, highest] = [item, here];
  }
  return best;
}
