// Losses of predictions x against targets t, both (rows, cols), dense: loss (rows) = mean over cols, and its gradient
// dx = loss'(x − t)·dloss[row]/cols. Inside a row, sums run over 8 lanes by column index, then over the lanes.

import { fma, fnma, loadPart, loadPartOr, storePart, sumLanes } from './lanes';
import { exp4, log1p4, sigmoid4 } from './math';

// ---- one element of each loss, and its slope ---------------------------------------------------------------------

/** max(x, 0) − x·t + ln(1 + e^−|x|) */
// @ts-ignore: decorator
@inline
function binaryEntropy(x: v128, t: v128): v128 {
  const linear = fnma(x, t, f32x4.pmax(x, f32x4.splat(0)));
  return f32x4.add(linear, log1p4(exp4(f32x4.neg(f32x4.abs(x)))));
}

// @ts-ignore: decorator
@inline
function binaryEntropySlope(x: v128, t: v128): v128 {
  return f32x4.sub(sigmoid4(x), t);
}

// @ts-ignore: decorator
@inline
function square(x: v128, t: v128): v128 {
  const e = f32x4.sub(x, t);
  return f32x4.mul(e, e);
}

// @ts-ignore: decorator
@inline
function squareSlope(x: v128, t: v128): v128 {
  const e = f32x4.sub(x, t);
  return f32x4.add(e, e);
}

// @ts-ignore: decorator
@inline
function absolute(x: v128, t: v128): v128 {
  return f32x4.abs(f32x4.sub(x, t));
}

/** The sign of x − t: ±1, 0 at 0, NaN for NaN */
// @ts-ignore: decorator
@inline
function absoluteSlope(x: v128, t: v128): v128 {
  const e = f32x4.sub(x, t);
  const one = f32x4.splat(1);
  const zero = f32x4.splat(0);
  const sign = f32x4.sub(v128.and(f32x4.gt(e, zero), one), v128.and(f32x4.lt(e, zero), one));
  return v128.bitselect(sign, e, f32x4.eq(e, e));
}

/** |e| ≤ δ: e²/2, else δ(|e| − δ/2) */
// @ts-ignore: decorator
@inline
function huber(x: v128, t: v128, delta: v128): v128 {
  const e = f32x4.sub(x, t);
  const size = f32x4.abs(e);
  const half = f32x4.splat(0.5);
  const outside = f32x4.mul(delta, f32x4.sub(size, f32x4.mul(delta, half)));
  return v128.bitselect(f32x4.mul(f32x4.mul(e, e), half), outside, f32x4.le(size, delta));
}

// @ts-ignore: decorator
@inline
function huberSlope(x: v128, t: v128, delta: v128): v128 {
  return f32x4.pmax(f32x4.pmin(f32x4.sub(x, t), delta), f32x4.neg(delta));
}

// ---- the kernels -------------------------------------------------------------------------------------------------

/** Padding lanes hold x = −1e30, t = 0, whose loss is 0. */
export function sigmoidCrossEntropy(x: usize, t: usize, loss: usize, rows: u32, cols: u32): void {
  for (; rows > 0; rows--) {
    let s0 = f32x4.splat(0);
    let s1 = f32x4.splat(0);
    let n = cols;
    for (; n >= 8; n -= 8) {
      s0 = f32x4.add(s0, binaryEntropy(v128.load(x), v128.load(t)));
      s1 = f32x4.add(s1, binaryEntropy(v128.load(x, 16), v128.load(t, 16)));
      x += 32;
      t += 32;
    }
    while (n > 0) {
      const part = min<u32>(n, 4);
      s0 = f32x4.add(s0, binaryEntropy(loadPartOr(x, part, f32x4.splat(-1e30)), loadPart(t, part)));
      x += <usize>part << 2;
      t += <usize>part << 2;
      n -= part;
    }
    store<f32>(loss, sumLanes(f32x4.add(s0, s1)) / <f32>cols);
    loss += 4;
  }
}

export function sigmoidCrossEntropyGrad(
  x: usize,
  t: usize,
  dloss: usize,
  dx: usize,
  rows: u32,
  cols: u32,
): void {
  for (; rows > 0; rows--) {
    const gradient = f32x4.splat(load<f32>(dloss) / <f32>cols);
    let n = cols;
    for (; n >= 8; n -= 8) {
      const x0 = v128.load(x);
      const x1 = v128.load(x, 16);
      const t0 = v128.load(t);
      const t1 = v128.load(t, 16);
      const d0 = f32x4.mul(binaryEntropySlope(x0, t0), gradient);
      const d1 = f32x4.mul(binaryEntropySlope(x1, t1), gradient);
      v128.store(dx, d0);
      v128.store(dx, d1, 16);
      x += 32;
      t += 32;
      dx += 32;
    }
    while (n > 0) {
      const part = min<u32>(n, 4);
      storePart(dx, f32x4.mul(binaryEntropySlope(loadPart(x, part), loadPart(t, part)), gradient), part);
      x += <usize>part << 2;
      t += <usize>part << 2;
      dx += <usize>part << 2;
      n -= part;
    }
    dloss += 4;
  }
}

export function squaredError(x: usize, t: usize, loss: usize, rows: u32, cols: u32): void {
  for (; rows > 0; rows--) {
    let s0 = f32x4.splat(0);
    let s1 = f32x4.splat(0);
    let n = cols;
    for (; n >= 8; n -= 8) {
      s0 = f32x4.add(s0, square(v128.load(x), v128.load(t)));
      s1 = f32x4.add(s1, square(v128.load(x, 16), v128.load(t, 16)));
      x += 32;
      t += 32;
    }
    while (n > 0) {
      const part = min<u32>(n, 4);
      s0 = f32x4.add(s0, square(loadPart(x, part), loadPart(t, part)));
      x += <usize>part << 2;
      t += <usize>part << 2;
      n -= part;
    }
    store<f32>(loss, sumLanes(f32x4.add(s0, s1)) / <f32>cols);
    loss += 4;
  }
}

export function squaredErrorGrad(
  x: usize,
  t: usize,
  dloss: usize,
  dx: usize,
  rows: u32,
  cols: u32,
): void {
  for (; rows > 0; rows--) {
    const gradient = f32x4.splat(load<f32>(dloss) / <f32>cols);
    let n = cols;
    for (; n >= 8; n -= 8) {
      const x0 = v128.load(x);
      const x1 = v128.load(x, 16);
      const t0 = v128.load(t);
      const t1 = v128.load(t, 16);
      const d0 = f32x4.mul(squareSlope(x0, t0), gradient);
      const d1 = f32x4.mul(squareSlope(x1, t1), gradient);
      v128.store(dx, d0);
      v128.store(dx, d1, 16);
      x += 32;
      t += 32;
      dx += 32;
    }
    while (n > 0) {
      const part = min<u32>(n, 4);
      storePart(dx, f32x4.mul(squareSlope(loadPart(x, part), loadPart(t, part)), gradient), part);
      x += <usize>part << 2;
      t += <usize>part << 2;
      dx += <usize>part << 2;
      n -= part;
    }
    dloss += 4;
  }
}

export function absoluteError(x: usize, t: usize, loss: usize, rows: u32, cols: u32): void {
  for (; rows > 0; rows--) {
    let s0 = f32x4.splat(0);
    let s1 = f32x4.splat(0);
    let n = cols;
    for (; n >= 8; n -= 8) {
      s0 = f32x4.add(s0, absolute(v128.load(x), v128.load(t)));
      s1 = f32x4.add(s1, absolute(v128.load(x, 16), v128.load(t, 16)));
      x += 32;
      t += 32;
    }
    while (n > 0) {
      const part = min<u32>(n, 4);
      s0 = f32x4.add(s0, absolute(loadPart(x, part), loadPart(t, part)));
      x += <usize>part << 2;
      t += <usize>part << 2;
      n -= part;
    }
    store<f32>(loss, sumLanes(f32x4.add(s0, s1)) / <f32>cols);
    loss += 4;
  }
}

export function absoluteErrorGrad(
  x: usize,
  t: usize,
  dloss: usize,
  dx: usize,
  rows: u32,
  cols: u32,
): void {
  for (; rows > 0; rows--) {
    const gradient = f32x4.splat(load<f32>(dloss) / <f32>cols);
    let n = cols;
    for (; n >= 8; n -= 8) {
      const x0 = v128.load(x);
      const x1 = v128.load(x, 16);
      const t0 = v128.load(t);
      const t1 = v128.load(t, 16);
      const d0 = f32x4.mul(absoluteSlope(x0, t0), gradient);
      const d1 = f32x4.mul(absoluteSlope(x1, t1), gradient);
      v128.store(dx, d0);
      v128.store(dx, d1, 16);
      x += 32;
      t += 32;
      dx += 32;
    }
    while (n > 0) {
      const part = min<u32>(n, 4);
      storePart(dx, f32x4.mul(absoluteSlope(loadPart(x, part), loadPart(t, part)), gradient), part);
      x += <usize>part << 2;
      t += <usize>part << 2;
      dx += <usize>part << 2;
      n -= part;
    }
    dloss += 4;
  }
}

export function huberError(x: usize, t: usize, loss: usize, rows: u32, cols: u32, delta: f32): void {
  const limit = f32x4.splat(delta);
  for (; rows > 0; rows--) {
    let s0 = f32x4.splat(0);
    let s1 = f32x4.splat(0);
    let n = cols;
    for (; n >= 8; n -= 8) {
      s0 = f32x4.add(s0, huber(v128.load(x), v128.load(t), limit));
      s1 = f32x4.add(s1, huber(v128.load(x, 16), v128.load(t, 16), limit));
      x += 32;
      t += 32;
    }
    while (n > 0) {
      const part = min<u32>(n, 4);
      s0 = f32x4.add(s0, huber(loadPart(x, part), loadPart(t, part), limit));
      x += <usize>part << 2;
      t += <usize>part << 2;
      n -= part;
    }
    store<f32>(loss, sumLanes(f32x4.add(s0, s1)) / <f32>cols);
    loss += 4;
  }
}

export function huberErrorGrad(
  x: usize,
  t: usize,
  dloss: usize,
  dx: usize,
  rows: u32,
  cols: u32,
  delta: f32,
): void {
  const limit = f32x4.splat(delta);
  for (; rows > 0; rows--) {
    const gradient = f32x4.splat(load<f32>(dloss) / <f32>cols);
    let n = cols;
    for (; n >= 8; n -= 8) {
      const x0 = v128.load(x);
      const x1 = v128.load(x, 16);
      const t0 = v128.load(t);
      const t1 = v128.load(t, 16);
      const d0 = f32x4.mul(huberSlope(x0, t0, limit), gradient);
      const d1 = f32x4.mul(huberSlope(x1, t1, limit), gradient);
      v128.store(dx, d0);
      v128.store(dx, d1, 16);
      x += 32;
      t += 32;
      dx += 32;
    }
    while (n > 0) {
      const part = min<u32>(n, 4);
      storePart(dx, f32x4.mul(huberSlope(loadPart(x, part), loadPart(t, part), limit), gradient), part);
      x += <usize>part << 2;
      t += <usize>part << 2;
      dx += <usize>part << 2;
      n -= part;
    }
    dloss += 4;
  }
}
