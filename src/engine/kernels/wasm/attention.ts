// Attention over the heads of each row of the batch, a tile of queries at a time: scores of the tile against all its keys lie
// in the scratch, are made weights there, and are multiplied with the values at once. No (steps, steps) matrix is kept;
// backward makes the tile's weights again.

import { copy, fill } from './elementwise';
import { gemm } from './gemm';
import { loadPart, storePart } from './lanes';
import { WORK, WORK_FLOATS } from './scratch';
import { expRow, rowMax, scaleRow, softmaxGrad } from './softmax';

// @ts-ignore: decorator
@inline const MOST_QUERIES: u32 = 64;

/**
 * Queries in a tile. Half as many of a short causal sequence leave out a quarter of the scores: W5's heads of 64 steps take 0.93 of the time forward and 0.89
 * back; heads of 256 steps take as long as with 64.
 */
// @ts-ignore: decorator
@inline
function queriesOf(causal: u32, steps: u32, fitting: u32): u32 {
  const most: u32 = causal && steps <= 128 ? MOST_QUERIES / 2 : MOST_QUERIES;
  return max<u32>(1, min<u32>(most, fitting));
}

// bits of gemm's flags
// @ts-ignore: decorator
@inline const TRANSPOSE_A: u32 = 1;
// @ts-ignore: decorator
@inline const TRANSPOSE_B: u32 = 2;
// @ts-ignore: decorator
@inline const ACCUMULATE: u32 = 4;

/** Scores (n) of one query to weights: softmax of scale·score over the keys that the mask (0: none) leaves; zeros where it leaves none */
function weigh(x: usize, n: u32, scale: f32, mask: usize): void {
  scaleRow(x, n, scale);
  if (mask) hideRow(x, n, mask);
  const most = rowMax(x, n);
  if (most == -Infinity) {
    // nothing but what the mask took; NaN, which has no maximum either, stays
    for (let j: u32 = 0; j < n; j++) {
      const at = x + (<usize>j << 2);
      store<f32>(at, load<f32>(at) == -Infinity ? 0 : NaN);
    }
    return;
  }
  const sum = expRow(x, x, n, most);
  scaleRow(x, n, 1 / sum);
}

/** −∞ where the mask is 0 */
function hideRow(x: usize, n: u32, mask: usize): void {
  const lowest = f32x4.splat(-Infinity);
  const zero = f32x4.splat(0);
  while (n > 0) {
    const part = min<u32>(n, 4);
    storePart(x, v128.bitselect(lowest, loadPart(x, part), f32x4.eq(loadPart(mask, part), zero)), part);
    x += 16;
    mask += 16;
    n -= part;
  }
}

/** Weights of queries [first, first + count) against their keys into the tile (count, keys); a later key of a causal one counts 0 */
function weights(
  causal: u32,
  q: usize,
  ldq: u32,
  k: usize,
  ldk: u32,
  first: u32,
  count: u32,
  keys: u32,
  shift: i32,
  depth: u32,
  scale: f32,
  mask: usize,
  tile: usize,
  scratch: usize,
): void {
  gemm(TRANSPOSE_B, count, keys, depth, q, ldq, k, ldk, tile, keys, 0, 0, 0, scratch);
  for (let i: u32 = 0; i < count; i++) {
    const row = tile + ((<usize>i * <usize>keys) << 2);
    let seen = keys;
    if (causal) {
      const until = <i32>(first + i + 1) + shift;
      seen = until < 0 ? 0 : min<u32>(keys, <u32>until);
    }
    weigh(row, seen, scale, mask);
    fill(row + (<usize>seen << 2), keys - seen, 0);
  }
}

/** Keys that queries before `until` can see */
// @ts-ignore: decorator
@inline
function keysOf(causal: u32, until: u32, shift: i32, keySteps: u32): u32 {
  if (!causal) return keySteps;
  const last = <i32>until + shift;
  return last < 1 ? 1 : min<u32>(keySteps, <u32>last);
}

export function attention(
  causal: u32,
  rows: u32,
  querySteps: u32,
  keySteps: u32,
  heads: u32,
  keyHeads: u32,
  depth: u32,
  q: usize,
  ldq: u32,
  k: usize,
  v: usize,
  ldk: u32,
  mask: usize,
  y: usize,
  scratch: usize,
): void {
  const tile = scratch + WORK;
  const scale: f32 = 1 / sqrt<f32>(<f32>depth);
  const most = queriesOf(causal, querySteps, WORK_FLOATS / keySteps);
  const shift = <i32>keySteps - <i32>querySteps;
  const width = heads * depth;
  for (; rows > 0; rows--) {
    for (let h: u32 = 0; h < heads; h++) {
      const headBytes = <usize>(h * depth) << 2;
      const keyBytes = <usize>((h / (heads / keyHeads)) * depth) << 2;
      for (let first: u32 = 0; first < querySteps; first += most) {
        const count = min<u32>(most, querySteps - first);
        const keys = keysOf(causal, first + count, shift, keySteps);
        const at = q + headBytes + ((<usize>first * <usize>ldq) << 2);
        weights(causal, at, ldq, k + keyBytes, ldk, first, count, keys, shift, depth, scale, mask, tile, scratch);
        const out = y + headBytes + ((<usize>first * <usize>width) << 2);
        gemm(0, count, depth, keys, tile, keys, v + keyBytes, ldk, out, width, 0, 0, 0, scratch);
      }
    }
    q += (<usize>querySteps * <usize>ldq) << 2;
    k += (<usize>keySteps * <usize>ldk) << 2;
    v += (<usize>keySteps * <usize>ldk) << 2;
    y += (<usize>querySteps * <usize>width) << 2;
    if (mask) mask += <usize>keySteps << 2;
  }
}

export function cachedAttention(
  rows: u32,
  steps: u32,
  heads: u32,
  keyHeads: u32,
  depth: u32,
  x: usize,
  slots: usize,
  positions: usize,
  cache: usize,
  context: u32,
  mask: usize,
  kept: usize,
  y: usize,
  scratch: usize,
): void {
  const width = heads * depth;
  const own = 2 * keyHeads * depth;
  const pitch = <usize>(width + own) << 2;
  const bytes = <usize>own << 2;
  for (; rows > 0; rows--) {
    const first = <u32>load<f32>(positions);
    const place = <usize>(<u32>load<f32>(slots)) * <usize>context;
    const k = cache + place * bytes;
    for (let t: u32 = 0; t < steps; t++)
      copy(x + <usize>t * pitch + (<usize>width << 2), k + <usize>(first + t) * bytes, own);
    const seen = mask ? kept + (place << 2) : 0;
    if (mask) copy(mask, seen + (<usize>first << 2), steps);
    const v = k + (bytes >> 1);
    attention(1, 1, steps, first + steps, heads, keyHeads, depth, x, width + own, k, v, own, seen, y, scratch);
    x += <usize>steps * pitch;
    slots += 4;
    positions += <usize>steps << 2;
    if (mask) mask += <usize>steps << 2;
    y += (<usize>steps * <usize>width) << 2;
  }
}

export function attentionGrad(
  causal: u32,
  rows: u32,
  querySteps: u32,
  keySteps: u32,
  heads: u32,
  keyHeads: u32,
  depth: u32,
  dy: usize,
  q: usize,
  ldq: u32,
  k: usize,
  v: usize,
  ldk: u32,
  mask: usize,
  dq: usize,
  dk: usize,
  dv: usize,
  rowBytesOfDq: usize,
  rowBytesOfDk: usize,
  scratch: usize,
): void {
  const scale: f32 = 1 / sqrt<f32>(<f32>depth);
  const most = queriesOf(causal, querySteps, WORK_FLOATS / (2 * keySteps));
  const shift = <i32>keySteps - <i32>querySteps;
  const width = heads * depth;
  const p = scratch + WORK;
  for (; rows > 0; rows--) {
    for (let t: u32 = 0; t < keySteps; t++) {
      fill(dk + ((<usize>t * <usize>ldk) << 2), keyHeads * depth, 0);
      fill(dv + ((<usize>t * <usize>ldk) << 2), keyHeads * depth, 0);
    }
    for (let h: u32 = 0; h < heads; h++) {
      const headBytes = <usize>(h * depth) << 2;
      const keyBytes = <usize>((h / (heads / keyHeads)) * depth) << 2;
      for (let first: u32 = 0; first < querySteps; first += most) {
        const count = min<u32>(most, querySteps - first);
        const keys = keysOf(causal, first + count, shift, keySteps);
        const queries = headBytes + ((<usize>first * <usize>ldq) << 2);
        const out = dy + headBytes + ((<usize>first * <usize>width) << 2);
        const dp = p + ((<usize>count * <usize>keys) << 2);
        weights(causal, q + queries, ldq, k + keyBytes, ldk, first, count, keys, shift, depth, scale, mask, p, scratch);
        gemm(TRANSPOSE_B, count, keys, depth, out, width, v + keyBytes, ldk, dp, keys, 0, 0, 0, scratch);
        gemm(TRANSPOSE_A | ACCUMULATE, keys, depth, count, p, keys, out, width, dv + keyBytes, ldk, 0, 0, 0, scratch);
        // dS = P·(dP − Σ P·dP)·scale, in place of dP
        softmaxGrad(dp, p, dp, count, keys);
        scaleRow(dp, count * keys, scale);
        gemm(0, count, depth, keys, dp, keys, k + keyBytes, ldk, dq + queries, ldq, 0, 0, 0, scratch);
        gemm(TRANSPOSE_A | ACCUMULATE, keys, depth, count, dp, keys, q + queries, ldq, dk + keyBytes, ldk, 0, 0, 0, scratch);
      }
    }
    dy += (<usize>querySteps * <usize>width) << 2;
    q += (<usize>querySteps * <usize>ldq) << 2;
    k += (<usize>keySteps * <usize>ldk) << 2;
    v += (<usize>keySteps * <usize>ldk) << 2;
    dq += rowBytesOfDq;
    dk += rowBytesOfDk;
    dv += rowBytesOfDk;
    if (mask) mask += <usize>keySteps << 2;
  }
}

/** y′ where queries, keys and values move by gq, gk and gv, which are laid out as they are: dS·v + P·v′ with dS = P·(S′ − Σ P·S′), S′ = (q′·kᵀ + q·k′ᵀ)·scale */
export function attentionTangent(
  causal: u32,
  rows: u32,
  querySteps: u32,
  keySteps: u32,
  heads: u32,
  keyHeads: u32,
  depth: u32,
  gq: usize,
  gk: usize,
  gv: usize,
  rowBytesOfGq: usize,
  rowBytesOfGk: usize,
  q: usize,
  ldq: u32,
  k: usize,
  v: usize,
  ldk: u32,
  mask: usize,
  y: usize,
  scratch: usize,
): void {
  const scale: f32 = 1 / sqrt<f32>(<f32>depth);
  const most = queriesOf(causal, querySteps, WORK_FLOATS / (2 * keySteps));
  const shift = <i32>keySteps - <i32>querySteps;
  const width = heads * depth;
  const p = scratch + WORK;
  for (; rows > 0; rows--) {
    for (let h: u32 = 0; h < heads; h++) {
      const headBytes = <usize>(h * depth) << 2;
      const keyBytes = <usize>((h / (heads / keyHeads)) * depth) << 2;
      for (let first: u32 = 0; first < querySteps; first += most) {
        const count = min<u32>(most, querySteps - first);
        const keys = keysOf(causal, first + count, shift, keySteps);
        const queries = headBytes + ((<usize>first * <usize>ldq) << 2);
        const out = y + headBytes + ((<usize>first * <usize>width) << 2);
        const ds = p + ((<usize>count * <usize>keys) << 2);
        weights(causal, q + queries, ldq, k + keyBytes, ldk, first, count, keys, shift, depth, scale, mask, p, scratch);
        gemm(TRANSPOSE_B, count, keys, depth, gq + queries, ldq, k + keyBytes, ldk, ds, keys, 0, 0, 0, scratch);
        gemm(TRANSPOSE_B | ACCUMULATE, count, keys, depth, q + queries, ldq, gk + keyBytes, ldk, ds, keys, 0, 0, 0, scratch);
        softmaxGrad(ds, p, ds, count, keys);
        scaleRow(ds, count * keys, scale);
        gemm(0, count, depth, keys, ds, keys, v + keyBytes, ldk, out, width, 0, 0, 0, scratch);
        gemm(ACCUMULATE, count, depth, keys, p, keys, gv + keyBytes, ldk, out, width, 0, 0, 0, scratch);
      }
    }
    gq += rowBytesOfGq;
    gk += rowBytesOfGk;
    gv += rowBytesOfGk;
    q += (<usize>querySteps * <usize>ldq) << 2;
    k += (<usize>keySteps * <usize>ldk) << 2;
    v += (<usize>keySteps * <usize>ldk) << 2;
    y += (<usize>querySteps * <usize>width) << 2;
    if (mask) mask += <usize>keySteps << 2;
  }
}

/**
 * Rotary positions: the first `heads` heads of each vector (heads·depth … of `ld` floats) are turned, pair (j, j + depth/2) by the
 * angle whose cosine and sine stand in table (steps, depth) as [cos | sin]; sign −1 turns back. The rest is copied.
 */
export function rotary(
  x: usize,
  table: usize,
  y: usize,
  rows: u32,
  steps: u32,
  heads: u32,
  depth: u32,
  ld: u32,
  sign: f32,
): void {
  const half = depth >> 1;
  const halfBytes = <usize>half << 2;
  for (; rows > 0; rows--) {
    for (let t: u32 = 0; t < steps; t++) {
      const cos = table + ((<usize>t * <usize>depth) << 2);
      const sin = cos + halfBytes;
      for (let h: u32 = 0; h < heads; h++) {
        const o = <usize>(h * depth) << 2;
        for (let j: u32 = 0; j < half; j++) {
          const at = o + (<usize>j << 2);
          const a = load<f32>(x + at);
          const b = load<f32>(x + at + halfBytes);
          const c = load<f32>(cos + (<usize>j << 2));
          const s = sign * load<f32>(sin + (<usize>j << 2));
          store<f32>(y + at, a * c - b * s);
          store<f32>(y + at + halfBytes, b * c + a * s);
        }
      }
      for (let j = heads * depth; j < ld; j++) store<f32>(y + (<usize>j << 2), load<f32>(x + (<usize>j << 2)));
      x += <usize>ld << 2;
      y += <usize>ld << 2;
    }
  }
}
