// Normalisation of every vector by itself: layer norm, and RMS norm, whose mean is 0. x, y, dy, dx: (vectors, cols), dense. Sums run over 8 lanes by
// column, then over the lanes.

import { fill } from './elementwise';
import { fma, fnma, loadPart, storePart, sumLanes } from './lanes';

/** Σ (x − shift) or Σ (x − shift)², n floats */
// @ts-ignore: decorator
@inline
function sumOf(x: usize, n: u32, shift: f32, squared: bool): f32 {
  const m = f32x4.splat(shift);
  let s0 = f32x4.splat(0);
  let s1 = f32x4.splat(0);
  for (; n >= 8; n -= 8) {
    const x0 = f32x4.sub(v128.load(x), m);
    const x1 = f32x4.sub(v128.load(x, 16), m);
    s0 = squared ? fma(x0, x0, s0) : f32x4.add(s0, x0);
    s1 = squared ? fma(x1, x1, s1) : f32x4.add(s1, x1);
    x += 32;
  }
  while (n > 0) {
    const part = min<u32>(n, 4);
    // lanes past the end are 0, not −shift
    const x0 = f32x4.sub(loadPart(x, part), loadPartOfSplat(m, part));
    s0 = squared ? fma(x0, x0, s0) : f32x4.add(s0, x0);
    x += 16;
    n -= part;
  }
  return sumLanes(f32x4.add(s0, s1));
}

/** The first `part` lanes of v, zeros in the others */
// @ts-ignore: decorator
@inline
function loadPartOfSplat(v: v128, part: u32): v128 {
  const zero = f32x4.splat(0);
  if (part >= 4) return v;
  let r = f32x4.replace_lane(zero, 0, f32x4.extract_lane(v, 0));
  if (part > 1) r = f32x4.replace_lane(r, 1, f32x4.extract_lane(v, 0));
  if (part > 2) r = f32x4.replace_lane(r, 2, f32x4.extract_lane(v, 0));
  return r;
}

/** y (vectors, 2) = mean (0 unless centered) and 1/√(variance + epsilon) of each vector */
export function vectorMoments(centered: u32, x: usize, y: usize, vectors: u32, cols: u32, epsilon: f32): void {
  const share: f32 = 1 / <f32>cols;
  for (; vectors > 0; vectors--) {
    const mean: f32 = centered ? sumOf(x, cols, 0, false) * share : 0;
    const variance = sumOf(x, cols, mean, true) * share;
    store<f32>(y, mean);
    store<f32>(y, 1 / sqrt<f32>(variance + epsilon), 4);
    x += <usize>cols << 2;
    y += 8;
  }
}

/** y = (x − mean)·deviation·scale + bias; scale and bias (cols), each may be 0 */
export function vectorNorm(
  x: usize,
  moments: usize,
  scale: usize,
  bias: usize,
  y: usize,
  vectors: u32,
  cols: u32,
): void {
  const one = f32x4.splat(1);
  const zero = f32x4.splat(0);
  for (; vectors > 0; vectors--) {
    const m = f32x4.splat(load<f32>(moments));
    const r = f32x4.splat(load<f32>(moments, 4));
    let j: usize = 0;
    let n = cols;
    for (; n >= 8; n -= 8) {
      const x0 = f32x4.mul(f32x4.sub(v128.load(x), m), r);
      const x1 = f32x4.mul(f32x4.sub(v128.load(x, 16), m), r);
      const s0 = scale ? v128.load(scale + j) : one;
      const s1 = scale ? v128.load(scale + j, 16) : one;
      const b0 = bias ? v128.load(bias + j) : zero;
      const b1 = bias ? v128.load(bias + j, 16) : zero;
      const y0 = fma(x0, s0, b0);
      const y1 = fma(x1, s1, b1);
      v128.store(y, y0);
      v128.store(y, y1, 16);
      x += 32;
      y += 32;
      j += 32;
    }
    while (n > 0) {
      const part = min<u32>(n, 4);
      const x0 = f32x4.mul(f32x4.sub(loadPart(x, part), m), r);
      const s0 = scale ? loadPart(scale + j, part) : one;
      const b0 = bias ? loadPart(bias + j, part) : zero;
      storePart(y, fma(x0, s0, b0), part);
      x += <usize>part << 2;
      y += <usize>part << 2;
      j += <usize>part << 2;
      n -= part;
    }
    moments += 8;
  }
}

/** dx = deviation·(g − [mean of g] − x̂·mean of g·x̂), g = dy·scale; the first mean only where centered */
export function vectorNormGrad(
  centered: u32,
  dy: usize,
  x: usize,
  moments: usize,
  scale: usize,
  dx: usize,
  vectors: u32,
  cols: u32,
): void {
  const one = f32x4.splat(1);
  const share: f32 = 1 / <f32>cols;
  const bytes = <usize>cols << 2;
  for (; vectors > 0; vectors--) {
    const m = f32x4.splat(load<f32>(moments));
    const r = f32x4.splat(load<f32>(moments, 4));
    let s0 = f32x4.splat(0);
    let s1 = f32x4.splat(0);
    let d0 = f32x4.splat(0);
    let d1 = f32x4.splat(0);
    let j: usize = 0;
    let n = cols;
    for (; n >= 8; n -= 8) {
      const g0 = f32x4.mul(v128.load(dy + j), scale ? v128.load(scale + j) : one);
      const g1 = f32x4.mul(v128.load(dy + j, 16), scale ? v128.load(scale + j, 16) : one);
      s0 = f32x4.add(s0, g0);
      s1 = f32x4.add(s1, g1);
      d0 = fma(g0, f32x4.sub(v128.load(x + j), m), d0);
      d1 = fma(g1, f32x4.sub(v128.load(x + j, 16), m), d1);
      j += 32;
    }
    while (n > 0) {
      const part = min<u32>(n, 4);
      const g0 = f32x4.mul(loadPart(dy + j, part), scale ? loadPart(scale + j, part) : one);
      s0 = f32x4.add(s0, g0);
      d0 = fma(g0, f32x4.sub(loadPart(x + j, part), m), d0);
      j += <usize>part << 2;
      n -= part;
    }
    const mean = f32x4.splat(centered ? sumLanes(f32x4.add(s0, s1)) * share : 0);
    const along = f32x4.splat(sumLanes(f32x4.add(d0, d1)) * share * load<f32>(moments, 4));
    j = 0;
    n = cols;
    for (; n >= 8; n -= 8) {
      const g0 = f32x4.sub(f32x4.mul(v128.load(dy + j), scale ? v128.load(scale + j) : one), mean);
      const g1 = f32x4.sub(f32x4.mul(v128.load(dy + j, 16), scale ? v128.load(scale + j, 16) : one), mean);
      const x0 = f32x4.mul(f32x4.sub(v128.load(x + j), m), r);
      const x1 = f32x4.mul(f32x4.sub(v128.load(x + j, 16), m), r);
      const y0 = f32x4.mul(r, fnma(x0, along, g0));
      const y1 = f32x4.mul(r, fnma(x1, along, g1));
      v128.store(dx + j, y0);
      v128.store(dx + j, y1, 16);
      j += 32;
    }
    while (n > 0) {
      const part = min<u32>(n, 4);
      const g0 = f32x4.sub(f32x4.mul(loadPart(dy + j, part), scale ? loadPart(scale + j, part) : one), mean);
      const x0 = f32x4.mul(f32x4.sub(loadPart(x + j, part), m), r);
      storePart(dx + j, f32x4.mul(r, fnma(x0, along, g0)), part);
      j += <usize>part << 2;
      n -= part;
    }
    dy += bytes;
    x += bytes;
    dx += bytes;
    moments += 8;
  }
}

/** dscale (cols) = Σ over vectors of dy·x̂, for `cols` columns of vectors of `ld` */
export function vectorScaleGrad(
  dy: usize,
  x: usize,
  ld: u32,
  moments: usize,
  dscale: usize,
  vectors: u32,
  cols: u32,
): void {
  const pitch = <usize>ld << 2;
  fill(dscale, cols, 0);
  for (; vectors > 0; vectors--) {
    const m = f32x4.splat(load<f32>(moments));
    const r = f32x4.splat(load<f32>(moments, 4));
    let j: usize = 0;
    let n = cols;
    while (n > 0) {
      const part = min<u32>(n, 4);
      const x0 = f32x4.mul(f32x4.sub(loadPart(x + j, part), m), r);
      storePart(dscale + j, fma(loadPart(dy + j, part), x0, loadPart(dscale + j, part)), part);
      j += <usize>part << 2;
      n -= part;
    }
    dy += pitch;
    x += pitch;
    moments += 8;
  }
}
