// Softmax, its logarithm, and their gradients, row by row. x, y, dy, dx: (rows, cols), dense. Inside a row, sums run over 8 lanes by column index, then
// over the lanes.

import { scale } from './elementwise';
import { fma, fnma, loadPart, loadPartOr, maxLanes, storePart, sumLanes } from './lanes';
import { zip } from './loops';
import { exp4, log4 } from './math';

/** Largest of n floats; NaN may be passed over. */
export function rowMax(x: usize, n: u32): f32 {
  const lowest = f32x4.splat(-Infinity);
  let m0 = lowest;
  let m1 = lowest;
  for (; n >= 8; n -= 8) {
    m0 = f32x4.pmax(m0, v128.load(x));
    m1 = f32x4.pmax(m1, v128.load(x, 16));
    x += 32;
  }
  while (n > 0) {
    const part = min<u32>(n, 4);
    m0 = f32x4.pmax(m0, loadPartOr(x, part, lowest));
    x += 16;
    n -= part;
  }
  return maxLanes(f32x4.pmax(m0, m1));
}

/** y = e^(x − shift), returns Σ y; n floats */
export function expRow(x: usize, y: usize, n: u32, shift: f32): f32 {
  const offset = f32x4.splat(shift);
  let s0 = f32x4.splat(0);
  let s1 = f32x4.splat(0);
  if (n >= 8) {
    do {
      const x0 = v128.load(x);
      const x1 = v128.load(x, 16);
      const y0 = exp4(f32x4.sub(x0, offset));
      const y1 = exp4(f32x4.sub(x1, offset));
      s0 = f32x4.add(s0, y0);
      s1 = f32x4.add(s1, y1);
      v128.store(y, y0);
      v128.store(y, y1, 16);
      x += 32;
      y += 32;
      n -= 8;
    } while (n >= 8);
  }
  while (n > 0) {
    const part = min<u32>(n, 4);
    const y0 = exp4(f32x4.sub(loadPartOr(x, part, f32x4.splat(-Infinity)), offset));
    s0 = f32x4.add(s0, y0);
    storePart(y, y0, part);
    x += 16;
    y += 16;
    n -= part;
  }
  return sumLanes(f32x4.add(s0, s1));
}

/** Σ e^(x − shift) without storing: the same bits as expRow's sum */
export function expSum(x: usize, n: u32, shift: f32): f32 {
  const offset = f32x4.splat(shift);
  let s0 = f32x4.splat(0);
  let s1 = f32x4.splat(0);
  if (n >= 8) {
    do {
      s0 = f32x4.add(s0, exp4(f32x4.sub(v128.load(x), offset)));
      s1 = f32x4.add(s1, exp4(f32x4.sub(v128.load(x, 16), offset)));
      x += 32;
      n -= 8;
    } while (n >= 8);
  }
  while (n > 0) {
    const part = min<u32>(n, 4);
    s0 = f32x4.add(s0, exp4(f32x4.sub(loadPartOr(x, part, f32x4.splat(-Infinity)), offset)));
    x += 16;
    n -= part;
  }
  return sumLanes(f32x4.add(s0, s1));
}

/** x *= factor, in place; n floats */
export function scaleRow(x: usize, n: u32, factor: f32): void { scale(x, x, n, factor); }

export function softmax(x: usize, y: usize, rows: u32, cols: u32): void {
  for (; rows > 0; rows--) {
    const sum = expRow(x, y, cols, rowMax(x, cols));
    scaleRow(y, cols, 1 / sum);
    x += <usize>cols << 2;
    y += <usize>cols << 2;
  }
}

@unmanaged
class SoftmaxBack {
  @inline of2(dy: v128, y: v128, dot: v128): v128 { return f32x4.mul(y, f32x4.sub(dy, dot)); }
}

/** dx = y·(dy − Σ dy·y), y the output */
export function softmaxGrad(dy: usize, y: usize, dx: usize, rows: u32, cols: u32): void {
  for (; rows > 0; rows--) {
    let s0 = f32x4.splat(0);
    let s1 = f32x4.splat(0);
    let a = dy;
    let b = y;
    let n = cols;
    for (; n >= 8; n -= 8) {
      s0 = fma(v128.load(a), v128.load(b), s0);
      s1 = fma(v128.load(a, 16), v128.load(b, 16), s1);
      a += 32;
      b += 32;
    }
    while (n > 0) {
      const part = min<u32>(n, 4);
      s0 = fma(loadPart(a, part), loadPart(b, part), s0);
      a += 16;
      b += 16;
      n -= part;
    }
    const dot = f32x4.splat(sumLanes(f32x4.add(s0, s1)));
    zip<SoftmaxBack>(dy, y, dx, cols, dot);
    dy += <usize>cols << 2;
    y += <usize>cols << 2;
    dx += <usize>cols << 2;
  }
}

/** y = x − max − ln Σ e^(x − max) */
export function logSoftmax(x: usize, y: usize, rows: u32, cols: u32): void {
  for (; rows > 0; rows--) {
    const top = rowMax(x, cols);
    const shift = f32x4.splat(top);
    const rest = log4(f32x4.splat(expSum(x, cols, top)));
    let n = cols;
    for (; n >= 8; n -= 8) {
      const x0 = v128.load(x);
      const x1 = v128.load(x, 16);
      const y0 = f32x4.sub(f32x4.sub(x0, shift), rest);
      const y1 = f32x4.sub(f32x4.sub(x1, shift), rest);
      v128.store(y, y0);
      v128.store(y, y1, 16);
      x += 32;
      y += 32;
    }
    while (n > 0) {
      const part = min<u32>(n, 4);
      storePart(y, f32x4.sub(f32x4.sub(loadPart(x, part), shift), rest), part);
      x += <usize>part << 2;
      y += <usize>part << 2;
      n -= part;
    }
  }
}

/** Σ x; n floats */
function rowSum(x: usize, n: u32): f32 {
  let s0 = f32x4.splat(0);
  let s1 = f32x4.splat(0);
  for (; n >= 8; n -= 8) {
    s0 = f32x4.add(s0, v128.load(x));
    s1 = f32x4.add(s1, v128.load(x, 16));
    x += 32;
  }
  while (n > 0) {
    const part = min<u32>(n, 4);
    s0 = f32x4.add(s0, loadPart(x, part));
    x += 16;
    n -= part;
  }
  return sumLanes(f32x4.add(s0, s1));
}

@unmanaged
class LogSoftmaxBack {
  @inline of2(dy: v128, y: v128, sum: v128): v128 { return fnma(exp4(y), sum, dy); }
}

/** dx = dy − e^y·Σ dy, y the output */
export function logSoftmaxGrad(dy: usize, y: usize, dx: usize, rows: u32, cols: u32): void {
  for (; rows > 0; rows--) {
    const sum = f32x4.splat(rowSum(dy, cols));
    zip<LogSoftmaxBack>(dy, y, dx, cols, sum);
    dy += <usize>cols << 2;
    y += <usize>cols << 2;
    dx += <usize>cols << 2;
  }
}
