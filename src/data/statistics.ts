/** Figures of a column over some of its rows. NaN is missing, and does not count. */

export interface Statistics {
  count: number;
  minimum: number;
  maximum: number;
  mean: number;
  /** of the population */
  standardDeviation: number;
}

/** Two passes: the second is exact where one pass would cancel. Without any value all are 0. */
export function summarize(numbers: Float64Array, rows: Uint32Array): Statistics {
  let count = 0;
  let mean = 0;
  let minimum = Number.POSITIVE_INFINITY;
  let maximum = Number.NEGATIVE_INFINITY;
  for (const row of rows) {
    const value = numbers[row]!;
    if (Number.isNaN(value)) continue;
    count++;
    mean += (value - mean) / count;
    if (value < minimum) minimum = value;
    if (value > maximum) maximum = value;
  }
  if (count === 0) return { count, minimum: 0, maximum: 0, mean: 0, standardDeviation: 0 };
  let squares = 0;
  for (const row of rows) {
    const difference = numbers[row]! - mean;
    if (!Number.isNaN(difference)) squares += difference * difference;
  }
  return {
    count,
    minimum,
    maximum,
    mean: Number.isFinite(mean) ? mean : 0,
    standardDeviation: Math.sqrt(squares / count),
  };
}

/** The values there are, in order. */
export function sortValues(numbers: Float64Array, rows: Uint32Array): Float64Array {
  const values = new Float64Array(rows.length);
  let count = 0;
  for (const row of rows) if (!Number.isNaN(numbers[row]!)) values[count++] = numbers[row]!;
  return values.subarray(0, count).sort();
}

/** Interpolated linearly between order statistics, as NumPy's default (type 7 of Hyndman & Fan 1996). 0 where there is no value. */
export function quantileOf(sorted: Float64Array, share: number): number {
  if (sorted.length === 0) return 0;
  const place = share * (sorted.length - 1);
  const below = Math.floor(place);
  const low = sorted[below]!;
  const high = sorted[Math.min(below + 1, sorted.length - 1)]!;
  return low + (high - low) * (place - below);
}

/** Of equally frequent values the smallest; 0 where there is none. */
export function mostFrequentOf(sorted: Float64Array): number {
  let best = sorted[0] ?? 0;
  let most = 0;
  for (let from = 0; from < sorted.length; ) {
    let to = from + 1;
    while (to < sorted.length && sorted[to] === sorted[from]) to++;
    if (to - from > most) {
      most = to - from;
      best = sorted[from]!;
    }
    from = to;
  }
  return best;
}
