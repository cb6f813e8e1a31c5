// Normalisation by channel: group norm, over a row's places and a group of channels, and batch norm, over all rows and places. x, y, dy, dx: (rows,
// places, channels), dense. Sums over places run in ascending order. Where there is a mask (rows, places), places at which it is 0 are left out.

import { fill } from './elementwise';
import { fma, fnma, loadPart, storePart } from './lanes';

/** Whether place p counts; without a mask all do. */
// @ts-ignore: decorator
@inline
function doesCount(mask: usize, p: u32): bool {
  return mask == 0 || load<f32>(mask + (<usize>p << 2)) != 0;
}

/** Places that count, 1 where none does. */
function countPlaces(mask: usize, places: u32): f32 {
  if (mask == 0) return <f32>places;
  let count: u32 = 0;
  for (let p: u32 = 0; p < places; p++) count += u32(doesCount(mask, p));
  return <f32>max<u32>(count, 1);
}

/** sum (cols) += x over `count` places of distance `pitch` */
function addPlaces(x: usize, pitch: usize, mask: usize, sum: usize, count: u32, cols: u32): void {
  for (let p: u32 = 0; p < count; p++) {
    if (!doesCount(mask, p)) {
      x += pitch;
      continue;
    }
    for (let j: u32 = 0; j < cols; j += 4) {
      const part = min<u32>(cols - j, 4);
      const o = <usize>j << 2;
      storePart(sum + o, f32x4.add(loadPart(sum + o, part), loadPart(x + o, part)), part);
    }
    x += pitch;
  }
}

/** sum (cols) += (x − mean)² over places */
function addSquares(x: usize, pitch: usize, mask: usize, mean: usize, sum: usize, count: u32, cols: u32): void {
  for (let p: u32 = 0; p < count; p++) {
    if (!doesCount(mask, p)) {
      x += pitch;
      continue;
    }
    for (let j: u32 = 0; j < cols; j += 4) {
      const part = min<u32>(cols - j, 4);
      const o = <usize>j << 2;
      const d = f32x4.sub(loadPart(x + o, part), loadPart(mean + o, part));
      storePart(sum + o, fma(d, d, loadPart(sum + o, part)), part);
    }
    x += pitch;
  }
}

/** Every channel of a group gets the group's mean of `sum`, of `count` values each */
function shareGroups(sum: usize, channels: u32, groups: u32, count: f32): void {
  const size = channels / groups;
  for (let g: u32 = 0; g < groups; g++) {
    let total: f32 = 0;
    for (let j: u32 = 0; j < size; j++) total += load<f32>(sum + (<usize>j << 2));
    fill(sum, size, total / (count * <f32>size));
    sum += <usize>size << 2;
  }
}

/** variance → 1/√(variance + epsilon) */
function deviations(sum: usize, cols: u32, epsilon: f32): void {
  for (; cols > 0; cols--) {
    store<f32>(sum, 1 / sqrt<f32>(load<f32>(sum) + epsilon));
    sum += 4;
  }
}

/** moments (rows, 2, channels): mean and 1/√(variance + epsilon) of each channel's group of channels, over a row's places */
export function groupMoments(
  x: usize,
  mask: usize,
  moments: usize,
  rows: u32,
  places: u32,
  channels: u32,
  groups: u32,
  epsilon: f32,
): void {
  const pitch = <usize>channels << 2;
  for (; rows > 0; rows--) {
    const squares = moments + pitch;
    const count = countPlaces(mask, places);
    fill(moments, 2 * channels, 0);
    addPlaces(x, pitch, mask, moments, places, channels);
    shareGroups(moments, channels, groups, count);
    addSquares(x, pitch, mask, moments, squares, places, channels);
    shareGroups(squares, channels, groups, count);
    deviations(squares, channels, epsilon);
    x += <usize>places * pitch;
    if (mask != 0) mask += <usize>places << 2;
    moments += 2 * pitch;
  }
}

/** mean (cols), deviation (cols) of columns of x (vectors; distance ld) over all vectors */
export function batchMoments(
  x: usize,
  ld: u32,
  mask: usize,
  mean: usize,
  deviation: usize,
  vectors: u32,
  cols: u32,
  epsilon: f32,
): void {
  const pitch = <usize>ld << 2;
  const count = countPlaces(mask, vectors);
  fill(mean, cols, 0);
  fill(deviation, cols, 0);
  addPlaces(x, pitch, mask, mean, vectors, cols);
  shareGroups(mean, cols, cols, count);
  addSquares(x, pitch, mask, mean, deviation, vectors, cols);
  shareGroups(deviation, cols, cols, count);
  deviations(deviation, cols, epsilon);
}

/** y = (x − mean)·deviation·scale + bias by channel; moments (2, channels), `ldm` floats from one row's to the next's (0: the same for all) */
export function channelNorm(
  x: usize,
  moments: usize,
  ldm: u32,
  scale: usize,
  bias: usize,
  y: usize,
  rows: u32,
  places: u32,
  channels: u32,
): void {
  const bytes = <usize>channels << 2;
  for (; rows > 0; rows--) {
    for (let p = places; p > 0; p--) {
      let j: usize = 0;
      let n = channels;
      for (; n >= 8; n -= 8) {
        const m0 = v128.load(moments + j);
        const m1 = v128.load(moments + j, 16);
        const r0 = v128.load(moments + bytes + j);
        const r1 = v128.load(moments + bytes + j, 16);
        const x0 = f32x4.mul(f32x4.sub(v128.load(x + j), m0), r0);
        const x1 = f32x4.mul(f32x4.sub(v128.load(x + j, 16), m1), r1);
        const y0 = fma(x0, v128.load(scale + j), v128.load(bias + j));
        const y1 = fma(x1, v128.load(scale + j, 16), v128.load(bias + j, 16));
        v128.store(y + j, y0);
        v128.store(y + j, y1, 16);
        j += 32;
      }
      while (n > 0) {
        const part = min<u32>(n, 4);
        const d = f32x4.sub(loadPart(x + j, part), loadPart(moments + j, part));
        const x0 = f32x4.mul(d, loadPart(moments + bytes + j, part));
        storePart(y + j, fma(x0, loadPart(scale + j, part), loadPart(bias + j, part)), part);
        j += <usize>part << 2;
        n -= part;
      }
      x += bytes;
      y += bytes;
    }
    moments += <usize>ldm << 2;
  }
}

/** dscale (cols) = Σ over rows and places of dy·x̂, for `cols` columns of `channels` */
export function channelScaleGrad(
  dy: usize,
  x: usize,
  moments: usize,
  ldm: u32,
  dscale: usize,
  rows: u32,
  places: u32,
  channels: u32,
  cols: u32,
): void {
  const bytes = <usize>channels << 2;
  fill(dscale, cols, 0);
  for (; rows > 0; rows--) {
    for (let p = places; p > 0; p--) {
      for (let j: u32 = 0; j < cols; j += 4) {
        const part = min<u32>(cols - j, 4);
        const o = <usize>j << 2;
        const d = f32x4.sub(loadPart(x + o, part), loadPart(moments + o, part));
        const x0 = f32x4.mul(d, loadPart(moments + bytes + o, part));
        storePart(dscale + o, fma(loadPart(dy + o, part), x0, loadPart(dscale + o, part)), part);
      }
      dy += bytes;
      x += bytes;
    }
    moments += <usize>ldm << 2;
  }
}

/** dx = deviation·(g − a − x̂·b) by channel, g = dy·scale; a and b (channels). Places that do not count are in no mean: dx = deviation·g */
function normGradient(
  dy: usize,
  x: usize,
  mask: usize,
  moments: usize,
  scale: usize,
  a: usize,
  b: usize,
  dx: usize,
  places: u32,
  channels: u32,
): void {
  const bytes = <usize>channels << 2;
  for (let p: u32 = 0; p < places; p++) {
    const counts = doesCount(mask, p);
    for (let j: u32 = 0; j < channels; j += 4) {
      const part = min<u32>(channels - j, 4);
      const o = <usize>j << 2;
      const r = loadPart(moments + bytes + o, part);
      const x0 = f32x4.mul(f32x4.sub(loadPart(x + o, part), loadPart(moments + o, part)), r);
      const g = f32x4.mul(loadPart(dy + o, part), loadPart(scale + o, part));
      const inner = counts ? fnma(x0, loadPart(b + o, part), f32x4.sub(g, loadPart(a + o, part))) : g;
      storePart(dx + o, f32x4.mul(r, inner), part);
    }
    dy += bytes;
    x += bytes;
    dx += bytes;
  }
}

export function groupNormGrad(
  dy: usize,
  x: usize,
  mask: usize,
  moments: usize,
  scale: usize,
  dx: usize,
  rows: u32,
  places: u32,
  channels: u32,
  groups: u32,
  scratch: usize,
): void {
  const bytes = <usize>channels << 2;
  const a = scratch;
  const b = scratch + bytes;
  for (; rows > 0; rows--) {
    fill(scratch, 2 * channels, 0);
    for (let p: u32 = 0; p < places; p++) {
      if (!doesCount(mask, p)) continue;
      const at = <usize>p * bytes;
      for (let j: u32 = 0; j < channels; j += 4) {
        const part = min<u32>(channels - j, 4);
        const o = <usize>j << 2;
        const g = f32x4.mul(loadPart(dy + at + o, part), loadPart(scale + o, part));
        const d = f32x4.sub(loadPart(x + at + o, part), loadPart(moments + o, part));
        const x0 = f32x4.mul(d, loadPart(moments + bytes + o, part));
        storePart(a + o, f32x4.add(loadPart(a + o, part), g), part);
        storePart(b + o, fma(g, x0, loadPart(b + o, part)), part);
      }
    }
    const count = countPlaces(mask, places);
    shareGroups(a, channels, groups, count);
    shareGroups(b, channels, groups, count);
    normGradient(dy, x, mask, moments, scale, a, b, dx, places, channels);
    if (mask != 0) mask += <usize>places << 2;
    dy += <usize>places * bytes;
    x += <usize>places * bytes;
    dx += <usize>places * bytes;
    moments += 2 * bytes;
  }
}

/** dx = deviation·scale·(dy − dbias/N − x̂·dscale/N), N as `valuesOf` has it */
export function batchNormGrad(
  dy: usize,
  x: usize,
  mask: usize,
  moments: usize,
  scale: usize,
  dscale: usize,
  dbias: usize,
  dx: usize,
  rows: u32,
  places: u32,
  channels: u32,
  count: usize,
  step: usize,
  scratch: usize,
): void {
  const bytes = <usize>channels << 2;
  const share: f32 = 1 / valuesOf(count, step, places);
  const s = f32x4.splat(share);
  const a = scratch;
  const b = scratch + bytes;
  for (let j: u32 = 0; j < channels; j += 4) {
    const part = min<u32>(channels - j, 4);
    const o = <usize>j << 2;
    const factor = f32x4.mul(loadPart(scale + o, part), s);
    storePart(a + o, f32x4.mul(loadPart(dbias + o, part), factor), part);
    storePart(b + o, f32x4.mul(loadPart(dscale + o, part), factor), part);
  }
  normGradient(dy, x, mask, moments, scale, a, b, dx, rows * places, channels);
}

/** Values of a channel in the whole batch: what `count` points at, at least 1; where it is 0, places · rows of the step */
function valuesOf(count: usize, step: usize, places: u32): f32 {
  return count == 0 ? <f32>load<u32>(step) * <f32>places : max<f32>(load<f32>(count), 1);
}

/**
 * Running statistics move by `momentum` towards the batch's: mean, and variance with Bessel's correction over N = valuesOf(…).
 * moments (2, channels) point at the first of `cols` channels.
 */
export function updateRunning(
  mean: usize,
  variance: usize,
  batchMean: usize,
  batchDeviation: usize,
  cols: u32,
  places: u32,
  momentum: f32,
  epsilon: f32,
  count: usize,
  step: usize,
): void {
  const n = valuesOf(count, step, places);
  const correction: f32 = n > 1 ? n / (n - 1) : 1;
  for (; cols > 0; cols--) {
    const r = load<f32>(batchDeviation);
    const unbiased = max<f32>(1 / (r * r) - epsilon, 0) * correction;
    store<f32>(mean, load<f32>(mean) + momentum * (load<f32>(batchMean) - load<f32>(mean)));
    store<f32>(variance, load<f32>(variance) + momentum * (unbiased - load<f32>(variance)));
    mean += 4;
    variance += 4;
    batchMean += 4;
    batchDeviation += 4;
  }
}

/** mean → mean, variance → 1/√(variance + epsilon); cols channels */
export function runningMoments(
  mean: usize,
  variance: usize,
  toMean: usize,
  toDeviation: usize,
  cols: u32,
  epsilon: f32,
): void {
  for (; cols > 0; cols--) {
    store<f32>(toMean, load<f32>(mean));
    store<f32>(toDeviation, 1 / sqrt<f32>(load<f32>(variance) + epsilon));
    mean += 4;
    variance += 4;
    toMean += 4;
    toDeviation += 4;
  }
}
