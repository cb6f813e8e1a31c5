import type { Column } from '../spec/dataset.ts';

const BINS = 1024;
const SHOWN_BINS = 32;
/** Bins begin so much narrower than the first value is large; they double from there. */
const FIRST_SHIFT = 2 ** -40;
const SMALLEST_WIDTH = 2 ** -1000;

/** Names of the quantiles that are shown, and where they lie. */
const QUANTILES = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99];

/**
 * Counts numbers in bins of one width as they come, without knowing their range. A number that lies outside makes the bins twice as wide until it does not:
 * every edge is a multiple of the width, so two neighbours become one exactly. Numbers span at least 255 bins unless they are one: the first lies in the middle, and bins are not
 * doubled before another lies beyond an end. 8 KiB.
 */
export class Histogram {
  readonly #counts = new Float64Array(BINS);
  #width = 0;
  /** of the first bin, in widths */
  #first = 0;
  #total = 0;

  copy(): Histogram {
    const copy = new Histogram();
    copy.#counts.set(this.#counts);
    copy.#width = this.#width;
    copy.#first = this.#first;
    copy.#total = this.#total;
    return copy;
  }

  add(value: number): void {
    if (this.#width === 0) {
      this.#width = Math.max(SMALLEST_WIDTH, 2 ** Math.floor(Math.log2(Math.abs(value) || 1)) * FIRST_SHIFT);
      this.#first = Math.floor(value / this.#width) - BINS / 2;
    }
    let bin = this.#placeOf(value) - this.#first;
    while (bin < 0 || bin >= BINS) {
      this.#double();
      bin = this.#placeOf(value) - this.#first;
    }
    this.#counts[bin]!++;
    this.#total++;
  }

  /** In widths from 0. The quotient of a number next to 0 may be −0, which is not below it. */
  #placeOf(value: number): number {
    const place = Math.floor(value / this.#width);
    return place === 0 && value < 0 ? -1 : place;
  }

  /** Bins are merged in pairs around the middle of what they cover. */
  #double(): void {
    const merged = new Float64Array(BINS);
    const first = Math.floor(this.#first / 2) - BINS / 4;
    for (let bin = 0; bin < BINS; bin++) {
      const count = this.#counts[bin]!;
      if (count > 0) merged[Math.floor((this.#first + bin) / 2) - first]! += count;
    }
    this.#counts.set(merged);
    this.#first = first;
    this.#width *= 2;
  }

  /** Within the least and greatest value, which are known better than their bins. null where there is nothing, or edges are no numbers. */
  finish(minimum: number, maximum: number): Pick<Required<Column>, 'histogram' | 'quantiles'> | null {
    if (this.#total === 0) return null;
    const used = [...this.#counts.keys()].filter((bin) => this.#counts[bin]! > 0);
    const [low, high] = [used[0]!, used.at(-1)!];
    const step = Math.ceil((high - low + 1) / SHOWN_BINS);
    const counts: number[] = [];
    for (let bin = low; bin <= high; bin += step)
      counts.push(this.#counts.subarray(bin, Math.min(bin + step, high + 1)).reduce((sum, count) => sum + count, 0));
    const start = (this.#first + low) * this.#width;
    const width = step * this.#width;
    if (!Number.isFinite(start) || !Number.isFinite(start + width * counts.length)) return null;
    const quantiles = QUANTILES.map((share) => ({ share, value: this.#findQuantile(share, minimum, maximum) }));
    return { histogram: { start, width, counts }, quantiles };
  }

  /** Numbers are taken to lie evenly in their bin, so what is told is off by a bin's width at most. */
  #findQuantile(share: number, minimum: number, maximum: number): number {
    const rank = share * this.#total;
    let below = 0;
    for (let bin = 0; bin < BINS; bin++) {
      const count = this.#counts[bin]!;
      if (count > 0 && below + count >= rank) {
        const value = (this.#first + bin + (rank - below) / count) * this.#width;
        return Math.min(maximum, Math.max(minimum, value));
      }
      below += count;
    }
    return maximum;
  }
}
