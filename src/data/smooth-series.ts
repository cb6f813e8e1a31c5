import { createRequire } from 'node:module';
import type { Smoothing } from '../spec/column-options.ts';
import type { PreparedSmoothing } from '../spec/preparation.ts';

/** Smoothing of a series by what was, never by what will be. */

// CommonJS with a default of its own, which loaders do not agree on
const { default: savitzkyGolay } = createRequire(import.meta.url)(
  'ml-savitzky-golay',
) as typeof import('ml-savitzky-golay');

export function fitSmoothing(smoothing: Smoothing): PreparedSmoothing {
  const { type, span } = smoothing;
  if (type === 'median') return { type, span };
  const weights = type === 'moving_average' ? new Array<number>(span).fill(1 / span) : weighEnd(span, smoothing.degree);
  return { type: 'weights', weights };
}

/**
 * What each of `span` rows counts for in the value that a polynomial, fitted to them, has at the last. The library tells the polynomial’s derivatives in
 * the middle; from there it is Taylor’s series to the end, which has no further terms.
 */
function weighEnd(span: number, degree: number): number[] {
  const reach = (span - 1) / 2;
  return Array.from({ length: span }, (_, at) => {
    const impulse = Array.from({ length: span }, (__, i) => (i === at ? 1 : 0));
    let weight = 0;
    let factor = 1;
    for (let derivative = 0; derivative <= degree; derivative++) {
      if (derivative > 0) factor *= reach / derivative;
      weight += factor * savitzkyGolay(impulse, 1, { windowSize: span, derivative, polynomial: degree })[0]!;
    }
    return weight;
  });
}

function spanOf(smoothing: PreparedSmoothing): number {
  return smoothing.type === 'median' ? smoothing.span : smoothing.weights.length;
}

/** Steps [from, to) of one series, in time, into `smoothed`. The first span − 1 are told by too little, and are missing (NaN). */
export function smoothSeries(
  values: Float64Array,
  from: number,
  to: number,
  smoothing: PreparedSmoothing,
  smoothed: Float64Array,
): void {
  const span = spanOf(smoothing);
  const seen = new Float64Array(span);
  for (let t = from; t < to; t++) {
    if (t - from < span - 1) {
      smoothed[t] = Number.NaN;
      continue;
    }
    smoothed[t] = fillGaps(values, t - span + 1, seen) ? reduce(seen, smoothing) : Number.NaN;
  }
}

/** False where there is no value at all. */
function fillGaps(values: Float64Array, first: number, seen: Float64Array): boolean {
  let next = 0;
  while (next < seen.length && Number.isNaN(values[first + next]!)) next++;
  if (next === seen.length) return false;
  let last = values[first + next]!;
  for (let i = 0; i < seen.length; i++) {
    const value = values[first + i]!;
    if (!Number.isNaN(value)) last = value;
    seen[i] = last;
  }
  return true;
}

function reduce(seen: Float64Array, smoothing: PreparedSmoothing): number {
  if (smoothing.type === 'weights') {
    let sum = 0;
    for (let i = 0; i < seen.length; i++) sum += seen[i]! * smoothing.weights[i]!;
    return sum;
  }
  seen.sort();
  const middle = seen.length >> 1;
  return seen.length % 2 === 1 ? seen[middle]! : (seen[middle - 1]! + seen[middle]!) / 2;
}
