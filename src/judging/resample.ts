import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import type { RandomGenerator } from 'pure-rand/types/RandomGenerator';

/**
 * Confidence intervals by the bootstrap: rows are drawn with replacement, as many as there are, and a figure is computed of each such sample; the
 * interval lies between percentiles of these (Efron 1979; Efron & Tibshirani 1993, ch. 13).
 */

/** How often each row was drawn, or 1 for each. */
export type RowCounts = Uint16Array;

/** null: not defined for these rows. */
export type Figures = Record<string, number | null>;

const LEVEL = 0.95;
const RESAMPLES = { most: 1000, least: 100 };
/** Looks at rows in all resamples together: 0.3 s of one core. */
const MOST_WORK = 2e7;
/** Below this share of resamples in which a figure is defined there is no interval. */
const LEAST_DEFINED = 0.5;

/** How many resamples fit into the work allowed, where one looks at a row `looks` times. */
export function countResamples(rows: number, looks: number): number {
  if (rows < 2) return 0;
  return Math.max(RESAMPLES.least, Math.min(RESAMPLES.most, Math.floor(MOST_WORK / (rows * looks))));
}

export function once(rows: number): RowCounts {
  return new Uint16Array(rows).fill(1);
}

export function seedGenerator(seed: number): RandomGenerator {
  const random = xoroshiro128plus(seed);
  // the first outputs of neighbouring seeds resemble each other
  for (let i = 0; i < 16; i++) random.next();
  return random;
}

/** A whole number below `most`; the bias of the product is below most / 2³². */
export function drawBelow(random: RandomGenerator, most: number): number {
  return Math.floor(((random.next() >>> 0) / 2 ** 32) * most);
}

export interface Interval {
  low: number | null;
  high: number | null;
}

/**
 * Intervals of the figures that `measure` gives of counted rows. Where the figure of all rows lies outside the percentiles, which happens to biased ones of
 * few rows, the interval is widened to hold it. `beat` is called between resamples, and may throw.
 */
export function bootstrap(
  rows: number,
  resamples: number,
  seed: number,
  measure: (counts: RowCounts) => Figures,
  estimate: Figures,
  beat: () => void,
): Record<string, Interval> {
  const random = seedGenerator(seed);
  const counts = new Uint16Array(rows);
  const names = Object.keys(estimate);
  const samples = names.map(() => [] as number[]);
  for (let i = 0; i < resamples; i++) {
    counts.fill(0);
    for (let draw = 0; draw < rows; draw++) counts[drawBelow(random, rows)]!++;
    const figures = measure(counts);
    names.forEach((name, place) => {
      const value = figures[name];
      if (value != null && Number.isFinite(value)) samples[place]!.push(value);
    });
    beat();
  }
  return Object.fromEntries(
    names.map((name, place) => [name, intervalOf(samples[place]!, resamples, estimate[name] ?? null)]),
  );
}

function intervalOf(sample: number[], resamples: number, estimate: number | null): Interval {
  if (estimate === null || !Number.isFinite(estimate)) return { low: null, high: null };
  if (sample.length === 0 || sample.length < resamples * LEAST_DEFINED) return { low: null, high: null };
  const sorted = Float64Array.from(sample).sort();
  return {
    low: Math.min(quantile(sorted, (1 - LEVEL) / 2), estimate),
    high: Math.max(quantile(sorted, (1 + LEVEL) / 2), estimate),
  };
}

/** Linear between neighbours, as numpy has it. Of at least one value, in order. */
export function quantile(sorted: ArrayLike<number>, share: number): number {
  const at = share * (sorted.length - 1);
  const below = Math.floor(at);
  const low = sorted[below]!;
  const high = sorted[Math.min(below + 1, sorted.length - 1)]!;
  return low === high ? low : low + (at - below) * (high - low);
}
