import { describeDomain, isInDomain } from '../spec/column-options.ts';
import type { PreparedTransform } from '../spec/preparation.ts';
import { normalQuantile, normalShare } from './normal-distribution.ts';

/** The functions of PreparedTransform, and what undoes them. */

/** Shares nearer to 0 or 1 than this count as so near: a normal distribution has no end. */
const OUTERMOST_SHARE = 1e-7;

export function openTransform(transform: PreparedTransform): (x: number) => number {
  switch (transform.type) {
    case 'log':
      return Math.log;
    case 'log1p':
      return Math.log1p;
    case 'sqrt':
      return Math.sqrt;
    case 'box_cox':
      return (x) => boxCox(x, transform.lambda);
    case 'yeo_johnson':
      return (x) => yeoJohnson(x, transform.lambda);
    case 'quantile': {
      const { quantiles, output } = transform;
      if (output === 'uniform') return (x) => shareBelow(x, quantiles);
      return (x) => normalQuantile(clamp(shareBelow(x, quantiles), OUTERMOST_SHARE, 1 - OUTERMOST_SHARE));
    }
  }
}

export function openInverse(transform: PreparedTransform): (y: number) => number {
  switch (transform.type) {
    case 'log':
      return Math.exp;
    case 'log1p':
      return Math.expm1;
    case 'sqrt':
      // no root is below 0
      return (y) => Math.max(y, 0) ** 2;
    case 'box_cox': {
      const { lambda } = transform;
      return (y) => (isZero(lambda) ? Math.exp(y) : Math.exp(Math.log1p(Math.max(lambda * y, -1)) / lambda));
    }
    case 'yeo_johnson':
      return (y) => undoYeoJohnson(y, transform.lambda);
    case 'quantile': {
      const { quantiles, output } = transform;
      const last = quantiles.length - 1;
      return (y) => {
        const place = last * clamp(output === 'normal' ? normalShare(y) : y, 0, 1);
        const below = Math.floor(place);
        const low = quantiles[below]!;
        return low + ((quantiles[below + 1] ?? low) - low) * (place - below);
      };
    }
  }
}

/** Whether a transform takes a number; null where it does, else what it takes. */
export function whyNot({ type }: PreparedTransform, x: number): string | null {
  return type === 'quantile' || isInDomain(type, x) ? null : `${type} takes ${describeDomain(type)}`;
}

/** Divided by less, nothing would be left of the digits. */
function isZero(lambda: number): boolean {
  return Math.abs(lambda) < 1e-12;
}

/** expm1 and log1p: what is near 0 must not lose its digits */
function boxCox(x: number, lambda: number): number {
  const logarithm = Math.log(x);
  return isZero(lambda) ? logarithm : Math.expm1(lambda * logarithm) / lambda;
}

function yeoJohnson(x: number, lambda: number): number {
  if (x >= 0) return isZero(lambda) ? Math.log1p(x) : Math.expm1(lambda * Math.log1p(x)) / lambda;
  return isZero(2 - lambda) ? -Math.log1p(-x) : -Math.expm1((2 - lambda) * Math.log1p(-x)) / (2 - lambda);
}

function undoYeoJohnson(y: number, lambda: number): number {
  if (y >= 0) return isZero(lambda) ? Math.expm1(y) : Math.expm1(Math.log1p(Math.max(lambda * y, -1)) / lambda);
  if (isZero(2 - lambda)) return -Math.expm1(-y);
  return -Math.expm1(Math.log1p(Math.max(-(2 - lambda) * y, -1)) / (2 - lambda));
}

function shareBelow(x: number, quantiles: readonly number[]): number {
  const last = quantiles.length - 1;
  if (last === 0 || x <= quantiles[0]!) return x < quantiles[0]! || quantiles[0] !== quantiles[last] ? 0 : 0.5;
  if (x >= quantiles[last]!) return 1;
  // quantiles[low] ≤ x < quantiles[high], and of equal ones both ends are found
  const high = firstWhere(quantiles, (q) => q > x);
  const low = firstWhere(quantiles, (q) => q >= x);
  if (quantiles[low] === x) return (low + high - 1) / 2 / last;
  const from = quantiles[high - 1]!;
  return (high - 1 + (x - from) / (quantiles[high]! - from)) / last;
}

/** Place of the first of sorted values that `has` says yes to; it says so to all behind it. */
function firstWhere(values: readonly number[], has: (value: number) => boolean): number {
  let [low, high] = [0, values.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (has(values[middle]!)) high = middle;
    else low = middle + 1;
  }
  return low;
}

function clamp(x: number, low: number, high: number): number {
  return Math.min(Math.max(x, low), high);
}

/** λ is looked for between these. */
const LAMBDAS = { lowest: -5, highest: 5 };
const MOST_VALUES = 100_000;

/** The λ that makes values most like a normal distribution's: of greatest likelihood (Box & Cox 1964; Yeo & Johnson 2000). */
export function fitLambda(type: 'box_cox' | 'yeo_johnson', values: Float64Array): number {
  const stride = Math.ceil(values.length / MOST_VALUES);
  const sample = stride <= 1 ? values : values.filter((_, i) => i % stride === 0);
  const logarithms = sample.map(type === 'box_cox' ? Math.log : (x) => Math.sign(x) * Math.log1p(Math.abs(x)));
  const sumOfLogarithms = logarithms.reduce((sum, x) => sum + x, 0);
  const apply = type === 'box_cox' ? boxCox : yeoJohnson;
  const transformed = new Float64Array(sample.length);
  const loss = (lambda: number): number => {
    let mean = 0;
    for (let i = 0; i < sample.length; i++) {
      transformed[i] = apply(sample[i]!, lambda);
      mean += (transformed[i]! - mean) / (i + 1);
    }
    let variance = 0;
    for (let i = 0; i < sample.length; i++) variance += (transformed[i]! - mean) ** 2 / sample.length;
    const value = 0.5 * sample.length * Math.log(variance) - (lambda - 1) * sumOfLogarithms;
    return Number.isFinite(value) ? value : Number.POSITIVE_INFINITY;
  };
  return sample.length < 2 || sample.every((x) => x === sample[0]) ? 1 : minimize(loss);
}

/** Golden-section search (Kiefer 1953), until the section is below 1e-7. */
function minimize(f: (x: number) => number): number {
  const golden = (Math.sqrt(5) - 1) / 2;
  let { lowest: a, highest: b } = LAMBDAS;
  let [c, d] = [b - golden * (b - a), a + golden * (b - a)];
  let [atC, atD] = [f(c), f(d)];
  while (b - a > 1e-7) {
    if (atC <= atD) {
      [b, d, atD] = [d, c, atC];
      c = b - golden * (b - a);
      atC = f(c);
    } else {
      [a, c, atC] = [c, d, atD];
      d = a + golden * (b - a);
      atD = f(d);
    }
  }
  return (a + b) / 2;
}
