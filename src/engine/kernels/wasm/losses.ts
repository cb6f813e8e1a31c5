// Losses of predictions x against targets t, both (rows, cols), dense: loss (rows) = mean over cols of f(x, t), its gradient
// dx = f'·dloss[row]/cols, and its curvature times a vector, dx = f''·v·dloss[row]/cols. Which f is said by a code (ValueLoss in abi.ts) that is
// looked at once for every four elements: beside the products of a network these passes are short.
// Inside a row, sums run over 8 lanes by column index, then over the lanes.

import { fma, fnma, loadPart, storePart, sumLanes } from './lanes';
import { exp4, log1p4, sigmoid4, tanh4 } from './math';

// @ts-ignore: decorator
@inline const SQUARED: u32 = 0;
// @ts-ignore: decorator
@inline const ABSOLUTE: u32 = 1;
// @ts-ignore: decorator
@inline const HUBER: u32 = 2;
// @ts-ignore: decorator
@inline const LOG_COSH: u32 = 3;
// @ts-ignore: decorator
@inline const QUANTILE: u32 = 4;
// @ts-ignore: decorator
@inline const POISSON: u32 = 5;
// @ts-ignore: decorator
@inline const BINARY_ENTROPY: u32 = 6;
// @ts-ignore: decorator
@inline const BINARY_FOCAL: u32 = 7;

/** ln(1 + e^x) */
// @ts-ignore: decorator
@inline
function softplus(x: v128): v128 {
  return f32x4.add(f32x4.pmax(x, f32x4.splat(0)), log1p4(exp4(f32x4.neg(f32x4.abs(x)))));
}

/** The one where x > 0, the other where x < 0, 0 at 0, NaN for NaN */
// @ts-ignore: decorator
@inline
function bySign(x: v128, above: v128, below: v128): v128 {
  const zero = f32x4.splat(0);
  const slope = v128.or(v128.and(f32x4.gt(x, zero), above), v128.and(f32x4.lt(x, zero), below));
  return v128.bitselect(slope, x, f32x4.eq(x, x));
}

/** |e| + ln(1 + e^−2|e|) − ln 2; near 0, where that would cancel, e²/2 − e⁴/12 + e⁶/45 − 17e⁸/2520 */
// @ts-ignore: decorator
@inline
function logCosh(e: v128): v128 {
  const size = f32x4.abs(e);
  const far = f32x4.add(f32x4.sub(size, f32x4.splat(0.6931471805599453)), log1p4(exp4(f32x4.mul(size, f32x4.splat(-2)))));
  const s = f32x4.mul(e, e);
  let p = fma(f32x4.splat(-17.0 / 2520.0), s, f32x4.splat(1.0 / 45.0));
  p = fma(p, s, f32x4.splat(-1.0 / 12.0));
  p = fma(p, s, f32x4.splat(0.5));
  return v128.bitselect(far, f32x4.mul(p, s), f32x4.gt(size, f32x4.splat(0.25)));
}

/** −q^γ·ln(1 − q) with q = 1 − sigmoid(x): what a focal loss makes of the logit of what is right */
// @ts-ignore: decorator
@inline
function focal(x: v128, gamma: v128): v128 {
  return f32x4.mul(exp4(f32x4.neg(f32x4.mul(gamma, softplus(x)))), softplus(f32x4.neg(x)));
}

/** −q^γ·(γ·(1 − q)·softplus(−x) + q) */
// @ts-ignore: decorator
@inline
function focalSlope(x: v128, gamma: v128): v128 {
  const power = exp4(f32x4.neg(f32x4.mul(gamma, softplus(x))));
  const inner = fma(f32x4.mul(gamma, sigmoid4(x)), softplus(f32x4.neg(x)), sigmoid4(f32x4.neg(x)));
  return f32x4.neg(f32x4.mul(power, inner));
}

/** f(x, t) */
function lossOf(code: u32, x: v128, t: v128, a: v128, b: v128): v128 {
  const zero = f32x4.splat(0);
  const one = f32x4.splat(1);
  const e = f32x4.sub(x, t);
  if (code == SQUARED) return f32x4.mul(e, e);
  if (code == ABSOLUTE) return f32x4.abs(e);
  if (code == HUBER) {
    // |e| ≤ δ: e²/2, else δ(|e| − δ/2)
    const size = f32x4.abs(e);
    const half = f32x4.splat(0.5);
    const outside = f32x4.mul(a, f32x4.sub(size, f32x4.mul(a, half)));
    return v128.bitselect(f32x4.mul(f32x4.mul(e, e), half), outside, f32x4.le(size, a));
  }
  if (code == LOG_COSH) return logCosh(e);
  if (code == QUANTILE) return f32x4.mul(e, bySign(e, f32x4.sub(one, a), f32x4.neg(a)));
  if (code == POISSON) return fnma(t, x, exp4(x));
  if (code == BINARY_ENTROPY) {
    // max(x, 0) − x·t + ln(1 + e^−|x|), and what positives count for more
    const linear = fnma(x, t, f32x4.pmax(x, zero));
    const even = f32x4.add(linear, log1p4(exp4(f32x4.neg(f32x4.abs(x)))));
    return fma(f32x4.mul(f32x4.sub(a, one), t), softplus(f32x4.neg(x)), even);
  }
  const positive = f32x4.mul(f32x4.mul(a, t), focal(x, b));
  return fma(f32x4.sub(one, t), focal(f32x4.neg(x), b), positive);
}

/** f' by x */
function slopeOf(code: u32, x: v128, t: v128, a: v128, b: v128): v128 {
  const one = f32x4.splat(1);
  const e = f32x4.sub(x, t);
  if (code == SQUARED) return f32x4.add(e, e);
  if (code == ABSOLUTE) return bySign(e, one, f32x4.neg(one));
  if (code == HUBER) return f32x4.pmax(f32x4.pmin(e, a), f32x4.neg(a));
  if (code == LOG_COSH) return tanh4(e);
  if (code == QUANTILE) return bySign(e, f32x4.sub(one, a), f32x4.neg(a));
  if (code == POISSON) return f32x4.sub(exp4(x), t);
  if (code == BINARY_ENTROPY) {
    const even = f32x4.sub(sigmoid4(x), t);
    return fnma(f32x4.mul(f32x4.sub(a, one), t), sigmoid4(f32x4.neg(x)), even);
  }
  const positive = f32x4.mul(f32x4.mul(a, t), focalSlope(x, b));
  return fnma(f32x4.sub(one, t), focalSlope(f32x4.neg(x), b), positive);
}

/** f'' by x: 0 for the absolute error and quantiles, which are straight; not made for the focal loss, which is not convex */
function bendOf(code: u32, x: v128, t: v128, a: v128): v128 {
  const one = f32x4.splat(1);
  if (code == SQUARED) return f32x4.splat(2);
  if (code == HUBER) return v128.and(one, f32x4.le(f32x4.abs(f32x4.sub(x, t)), a));
  if (code == LOG_COSH) {
    const slope = tanh4(f32x4.sub(x, t));
    return fnma(slope, slope, one);
  }
  if (code == POISSON) return exp4(x);
  if (code == BINARY_ENTROPY) {
    const spread = f32x4.mul(sigmoid4(x), sigmoid4(f32x4.neg(x)));
    return f32x4.mul(spread, fma(f32x4.sub(a, one), t, one));
  }
  return f32x4.splat(0);
}

/** All bits in the first `count` lanes */
// @ts-ignore: decorator
@inline
function firstLanes(count: u32): v128 {
  return i32x4.lt_s(i32x4(0, 1, 2, 3), i32x4.splat(count));
}

export function valueLoss(code: u32, x: usize, t: usize, loss: usize, rows: u32, cols: u32, a: f32, b: f32): void {
  const a4 = f32x4.splat(a);
  const b4 = f32x4.splat(b);
  for (; rows > 0; rows--) {
    let s0 = f32x4.splat(0);
    let s1 = f32x4.splat(0);
    let n = cols;
    for (; n >= 8; n -= 8) {
      s0 = f32x4.add(s0, lossOf(code, v128.load(x), v128.load(t), a4, b4));
      s1 = f32x4.add(s1, lossOf(code, v128.load(x, 16), v128.load(t, 16), a4, b4));
      x += 32;
      t += 32;
    }
    while (n > 0) {
      const part = min<u32>(n, 4);
      const value = lossOf(code, loadPart(x, part), loadPart(t, part), a4, b4);
      s0 = f32x4.add(s0, v128.and(value, firstLanes(part)));
      x += <usize>part << 2;
      t += <usize>part << 2;
      n -= part;
    }
    store<f32>(loss, sumLanes(f32x4.add(s0, s1)) / <f32>cols);
    loss += 4;
  }
}

export function valueLossGrad(
  code: u32,
  x: usize,
  t: usize,
  dloss: usize,
  dx: usize,
  rows: u32,
  cols: u32,
  a: f32,
  b: f32,
): void {
  const a4 = f32x4.splat(a);
  const b4 = f32x4.splat(b);
  for (; rows > 0; rows--) {
    const gradient = f32x4.splat(load<f32>(dloss) / <f32>cols);
    let n = cols;
    while (n > 0) {
      const part = min<u32>(n, 4);
      storePart(dx, f32x4.mul(slopeOf(code, loadPart(x, part), loadPart(t, part), a4, b4), gradient), part);
      x += <usize>part << 2;
      t += <usize>part << 2;
      dx += <usize>part << 2;
      n -= part;
    }
    dloss += 4;
  }
}

export function valueLossBend(
  code: u32,
  x: usize,
  t: usize,
  dloss: usize,
  v: usize,
  dx: usize,
  rows: u32,
  cols: u32,
  a: f32,
  b: f32,
): void {
  const a4 = f32x4.splat(a);
  for (; rows > 0; rows--) {
    const gradient = f32x4.splat(load<f32>(dloss) / <f32>cols);
    let n = cols;
    while (n > 0) {
      const part = min<u32>(n, 4);
      const bend = bendOf(code, loadPart(x, part), loadPart(t, part), a4);
      storePart(dx, f32x4.mul(f32x4.mul(bend, loadPart(v, part)), gradient), part);
      x += <usize>part << 2;
      t += <usize>part << 2;
      v += <usize>part << 2;
      dx += <usize>part << 2;
      n -= part;
    }
    dloss += 4;
  }
}
