// Sums in a fixed order: over rows (columnSum), along them (notFinite), over chunks of a tensor (sumSquaresChunks, dotChunks, clipScale).

import { fma, loadPart, storePart, sumLanes } from './lanes';

/**
 * y (cols) = Σ over rows of x (rows, cols; row distance ldx), rows in ascending order. Blocks of 32 columns hold their
 * sums in registers, so every row of x is read once and y is written once.
 */
export function columnSum(x: usize, ldx: u32, y: usize, rows: u32, cols: u32): void {
  const pitch = <usize>ldx << 2;
  for (; cols >= 32; cols -= 32) {
    let s0 = f32x4.splat(0);
    let s1 = f32x4.splat(0);
    let s2 = f32x4.splat(0);
    let s3 = f32x4.splat(0);
    let s4 = f32x4.splat(0);
    let s5 = f32x4.splat(0);
    let s6 = f32x4.splat(0);
    let s7 = f32x4.splat(0);
    let q = x;
    for (let r = rows; r > 0; r--) {
      s0 = f32x4.add(s0, v128.load(q));
      s1 = f32x4.add(s1, v128.load(q, 16));
      s2 = f32x4.add(s2, v128.load(q, 32));
      s3 = f32x4.add(s3, v128.load(q, 48));
      s4 = f32x4.add(s4, v128.load(q, 64));
      s5 = f32x4.add(s5, v128.load(q, 80));
      s6 = f32x4.add(s6, v128.load(q, 96));
      s7 = f32x4.add(s7, v128.load(q, 112));
      q += pitch;
    }
    v128.store(y, s0);
    v128.store(y, s1, 16);
    v128.store(y, s2, 32);
    v128.store(y, s3, 48);
    v128.store(y, s4, 64);
    v128.store(y, s5, 80);
    v128.store(y, s6, 96);
    v128.store(y, s7, 112);
    x += 128;
    y += 128;
  }
  for (; cols >= 8; cols -= 8) {
    let s0 = f32x4.splat(0);
    let s1 = f32x4.splat(0);
    let q = x;
    for (let r = rows; r > 0; r--) {
      s0 = f32x4.add(s0, v128.load(q));
      s1 = f32x4.add(s1, v128.load(q, 16));
      q += pitch;
    }
    v128.store(y, s0);
    v128.store(y, s1, 16);
    x += 32;
    y += 32;
  }
  while (cols > 0) {
    const part = min<u32>(cols, 4);
    let sum = f32x4.splat(0);
    let q = x;
    for (let r = rows; r > 0; r--) {
      sum = f32x4.add(sum, loadPart(q, part));
      q += pitch;
    }
    storePart(y, sum, part);
    x += 16;
    y += 16;
    cols -= part;
  }
}

/**
 * y (rows) = Σ x·0 along each row: 0, or NaN where a value is none or infinite. One multiply-add a vector, in four sums, so that it runs as fast as
 * memory is read.
 */
export function notFinite(x: usize, y: usize, rows: u32, cols: u32): void {
  const zero = f32x4.splat(0);
  for (; rows > 0; rows--) {
    let s0 = zero;
    let s1 = zero;
    let s2 = zero;
    let s3 = zero;
    let s4 = zero;
    let s5 = zero;
    let s6 = zero;
    let s7 = zero;
    let n = cols;
    for (; n >= 32; n -= 32) {
      s0 = fma(v128.load(x), zero, s0);
      s1 = fma(v128.load(x, 16), zero, s1);
      s2 = fma(v128.load(x, 32), zero, s2);
      s3 = fma(v128.load(x, 48), zero, s3);
      s4 = fma(v128.load(x, 64), zero, s4);
      s5 = fma(v128.load(x, 80), zero, s5);
      s6 = fma(v128.load(x, 96), zero, s6);
      s7 = fma(v128.load(x, 112), zero, s7);
      x += 128;
    }
    while (n > 0) {
      const part = min<u32>(n, 4);
      s0 = fma(loadPart(x, part), zero, s0);
      x += <usize>part << 2;
      n -= part;
    }
    const sum = f32x4.add(
      f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3)),
      f32x4.add(f32x4.add(s4, s5), f32x4.add(s6, s7)),
    );
    store<f32>(y, sumLanes(sum));
    y += 4;
  }
}

/** Σ x·z, 16 partial sums by element index, so that the order depends on the chunk alone */
function dot(x: usize, z: usize, n: u32): f32 {
  let s0 = f32x4.splat(0);
  let s1 = f32x4.splat(0);
  let s2 = f32x4.splat(0);
  let s3 = f32x4.splat(0);
  for (; n >= 16; n -= 16) {
    const x0 = v128.load(x);
    const x1 = v128.load(x, 16);
    const x2 = v128.load(x, 32);
    const x3 = v128.load(x, 48);
    const z0 = v128.load(z);
    const z1 = v128.load(z, 16);
    const z2 = v128.load(z, 32);
    const z3 = v128.load(z, 48);
    s0 = fma(x0, z0, s0);
    s1 = fma(x1, z1, s1);
    s2 = fma(x2, z2, s2);
    s3 = fma(x3, z3, s3);
    x += 64;
    z += 64;
  }
  while (n > 0) {
    const part = min<u32>(n, 4);
    s0 = fma(loadPart(x, part), loadPart(z, part), s0);
    x += 16;
    z += 16;
    n -= part;
  }
  return sumLanes(f32x4.add(f32x4.add(s0, s2), f32x4.add(s1, s3)));
}

/** y[i] = Σ of the products in chunk i of x and z (n), for i in [firstChunk, firstChunk + chunks); y[0] belongs to chunk 0 */
export function dotChunks(x: usize, z: usize, n: u32, chunk: u32, firstChunk: u32, chunks: u32, y: usize): void {
  for (let i = firstChunk; i < firstChunk + chunks; i++) {
    const begin = i * chunk;
    const count = begin < n ? min<u32>(chunk, n - begin) : 0;
    const offset = <usize>begin << 2;
    store<f32>(y + (<usize>i << 2), dot(x + offset, z + offset, count));
  }
}

/** Σ x², 16 partial sums by element index, so that the order depends on the chunk alone */
function sumSquares(x: usize, n: u32): f32 {
  let s0 = f32x4.splat(0);
  let s1 = f32x4.splat(0);
  let s2 = f32x4.splat(0);
  let s3 = f32x4.splat(0);
  for (; n >= 16; n -= 16) {
    const x0 = v128.load(x);
    const x1 = v128.load(x, 16);
    const x2 = v128.load(x, 32);
    const x3 = v128.load(x, 48);
    s0 = fma(x0, x0, s0);
    s1 = fma(x1, x1, s1);
    s2 = fma(x2, x2, s2);
    s3 = fma(x3, x3, s3);
    x += 64;
  }
  while (n > 0) {
    const part = min<u32>(n, 4);
    const x0 = loadPart(x, part);
    s0 = fma(x0, x0, s0);
    x += 16;
    n -= part;
  }
  return sumLanes(f32x4.add(f32x4.add(s0, s2), f32x4.add(s1, s3)));
}

/** y[i] = Σ squares of chunk i of x (n), for i in [firstChunk, firstChunk + chunks); y[0] belongs to chunk 0 */
export function sumSquaresChunks(x: usize, n: u32, chunk: u32, firstChunk: u32, chunks: u32, y: usize): void {
  for (let i = firstChunk; i < firstChunk + chunks; i++) {
    const begin = i * chunk;
    const count = begin < n ? min<u32>(chunk, n - begin) : 0;
    store<f32>(y + (<usize>i << 2), sumSquares(x + (<usize>begin << 2), count));
  }
}

/** y[0] = min(1, maxNorm / (√(Σ partials) + 1e-6)); NaN stays NaN */
export function clipScale(partials: usize, count: u32, maxNorm: f32, y: usize): void {
  let sum: f64 = 0;
  for (let i: u32 = 0; i < count; i++) {
    sum += <f64>load<f32>(partials);
    partials += 4;
  }
  const scale = <f64>maxNorm / (sqrt<f64>(sum) + 1e-6);
  store<f32>(y, scale > 1 ? 1 : <f32>scale);
}
