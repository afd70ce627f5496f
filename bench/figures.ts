import type { Environment } from '../src/config';

/** One measured figure beside its reference, both of one run. */
export interface Figure {
  readonly name: string;
  readonly ours: number;
  readonly reference: number;
  /** ours / reference. */
  readonly ratio: number;
  readonly unit: string;
  /** What the ratio (or, without a meaningful reference, `ours`) must keep. */
  readonly target: string;
}

/** A benchmark: its name on the command line, and what it measures. */
export interface Benchmark {
  readonly name: string;
  /** It asks nothing of its servers that others may not give, and `given` leads to those that it is to measure. */
  readonly anywhere?: true;
  run(log: (line: string) => void, given?: Environment): Promise<readonly Figure[]>;
}

export function median(values: readonly number[]): number {
  return percentile(values, 50);
}

/** The median of the ratios of pairs: of what was measured in the same round. */
export function medianRatio(some: readonly number[], others: readonly number[]): number {
  return median(some.map((one, round) => one / (others[round] ?? Number.NaN)));
}

/** Nearest-rank percentile; NaN of nothing. */
export function percentile(values: readonly number[], p: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil((p / 100) * sorted.length) - 1)] ?? Number.NaN;
}

export function figure(given: Omit<Figure, 'ratio'>): Figure {
  return { ...given, ratio: given.ours / given.reference };
}
