// Softmax and cross-entropy in one, its gradient and its curvature, and the share of right answers. x, dx: (rows, positions, cols), dense; labels (rows,
// positions). With p = softmax(x), smoothing s, the label's weight and a row's loss the mean over its positions:
//   loss = −Σ t·ln p      dx = p·Σt − t      curvature times v = Σt·(diag p − p·pᵀ)·v
// where t is (1 − s) at the label and s / cols everywhere, times the class weights.

import { fill } from './elementwise';
import { fma, fnma, loadPart, loadPartOr, storePart, sumLanes } from './lanes';
import { log4 } from './math';
import { expRow, expSum, rowMax, scaleRow, softmaxGrad } from './softmax';

/** Σ w·(shift − x); n floats, `weights` 0 for w = 1 */
function weightedGap(x: usize, weights: usize, n: u32, shift: f32): f32 {
  const offset = f32x4.splat(shift);
  const one = f32x4.splat(1);
  let s0 = f32x4.splat(0);
  let s1 = f32x4.splat(0);
  for (; n >= 8; n -= 8) {
    const w0 = weights != 0 ? v128.load(weights) : one;
    const w1 = weights != 0 ? v128.load(weights, 16) : one;
    s0 = fma(f32x4.sub(offset, v128.load(x)), w0, s0);
    s1 = fma(f32x4.sub(offset, v128.load(x, 16)), w1, s1);
    x += 32;
    if (weights != 0) weights += 32;
  }
  while (n > 0) {
    const part = min<u32>(n, 4);
    const w0 = weights != 0 ? loadPart(weights, part) : one;
    s0 = fma(f32x4.sub(offset, loadPartOr(x, part, offset)), w0, s0);
    x += 16;
    if (weights != 0) weights += 16;
    n -= part;
  }
  return sumLanes(f32x4.add(s0, s1));
}

/** Σ w; n where `weights` is 0 */
function totalWeight(weights: usize, n: u32): f32 {
  if (weights == 0) return <f32>n;
  let sum: f32 = 0;
  for (; n > 0; n--) {
    sum += load<f32>(weights);
    weights += 4;
  }
  return sum;
}

/** x = factor·x − share·w, in place; n floats, `weights` 0 for w = 1 */
function scaleAndLower(x: usize, weights: usize, n: u32, factor: f32, share: f32): void {
  const f = f32x4.splat(factor);
  const s = f32x4.splat(share);
  const one = f32x4.splat(1);
  while (n > 0) {
    const part = min<u32>(n, 4);
    const w = weights != 0 ? loadPart(weights, part) : one;
    storePart(x, fnma(w, s, f32x4.mul(loadPart(x, part), f)), part);
    x += 16;
    if (weights != 0) weights += 16;
    n -= part;
  }
}

/**
 * loss (rows) = mean over positions of the cross-entropy of x (rows, positions, cols) against labels (rows, positions):
 * (1 − ε)·w[label]·ℓ[label] + ε/cols·Σ w[j]·ℓ[j] with ℓ[j] = ln Σ e^x − x[j]; 0 where the label is `ignored`.
 */
export function softmaxCrossEntropy(
  x: usize,
  labels: usize,
  weights: usize,
  loss: usize,
  rows: u32,
  positions: u32,
  cols: u32,
  ignored: i32,
  smoothing: f32,
): void {
  const spread = smoothing / <f32>cols;
  const total = totalWeight(weights, cols);
  for (; rows > 0; rows--) {
    let sum: f64 = 0;
    for (let p: u32 = 0; p < positions; p++) {
      const label = load<u32>(labels);
      if (<i32>label != ignored) {
        const top = rowMax(x, cols);
        const log = f32x4.extract_lane(log4(f32x4.splat(expSum(x, cols, top))), 0);
        let value = label < cols ? log + (top - load<f32>(x + (<usize>label << 2))) : NaN;
        if (weights != 0 && label < cols) value *= load<f32>(weights + (<usize>label << 2));
        if (smoothing > 0)
          value = (1 - smoothing) * value + spread * (total * log + weightedGap(x, weights, cols, top));
        sum += <f64>value;
      }
      x += <usize>cols << 2;
      labels += 4;
    }
    store<f32>(loss, <f32>(sum / <f64>positions));
    loss += 4;
  }
}

/** With k = (1 − ε)·w[label] + ε/cols·Σ w: dx[j] = (k·softmax(x)[j] − (1 − ε)·w[label]·[j = label] − ε/cols·w[j])·dloss[row]/positions */
export function softmaxCrossEntropyGrad(
  x: usize,
  labels: usize,
  weights: usize,
  dloss: usize,
  dx: usize,
  rows: u32,
  positions: u32,
  cols: u32,
  ignored: i32,
  smoothing: f32,
): void {
  const spread = smoothing / <f32>cols;
  const total = totalWeight(weights, cols);
  for (; rows > 0; rows--) {
    const slope = load<f32>(dloss) / <f32>positions;
    for (let p: u32 = 0; p < positions; p++) {
      const label = load<u32>(labels);
      if (<i32>label == ignored) {
        fill(dx, cols, 0);
      } else {
        let gradient = label < cols ? slope : NaN;
        if (weights != 0 && label < cols) gradient *= load<f32>(weights + (<usize>label << 2));
        gradient *= 1 - smoothing;
        const sum = expRow(x, dx, cols, rowMax(x, cols));
        const at = dx + (<usize>label << 2);
        if (smoothing > 0) {
          const share = spread * slope;
          scaleAndLower(dx, weights, cols, (gradient + share * total) / sum, share);
          if (label < cols) store<f32>(at, load<f32>(at) - gradient);
        } else {
          // (e − Σ)/Σ = softmax − 1
          if (label < cols) store<f32>(at, load<f32>(at) - sum);
          scaleRow(dx, cols, gradient / sum);
        }
      }
      x += <usize>cols << 2;
      dx += <usize>cols << 2;
      labels += 4;
    }
    dloss += 4;
  }
}

/** With k as above and p = softmax(x): dx[j] = k·p[j]·(v[j] − Σ p·v)·dloss[row]/positions */
export function softmaxCrossEntropyBend(
  x: usize,
  labels: usize,
  weights: usize,
  dloss: usize,
  v: usize,
  dx: usize,
  rows: u32,
  positions: u32,
  cols: u32,
  ignored: i32,
  smoothing: f32,
): void {
  const spread = (smoothing / <f32>cols) * totalWeight(weights, cols);
  for (; rows > 0; rows--) {
    const slope = load<f32>(dloss) / <f32>positions;
    for (let p: u32 = 0; p < positions; p++) {
      const label = load<u32>(labels);
      if (<i32>label == ignored) {
        fill(dx, cols, 0);
      } else {
        let own: f32 = label < cols ? 1 - smoothing : NaN;
        if (weights != 0 && label < cols) own *= load<f32>(weights + (<usize>label << 2));
        const sum = expRow(x, dx, cols, rowMax(x, cols));
        scaleRow(dx, cols, 1 / sum);
        softmaxGrad(v, dx, dx, 1, cols);
        scaleRow(dx, cols, (own + spread) * slope);
      }
      x += <usize>cols << 2;
      v += <usize>cols << 2;
      dx += <usize>cols << 2;
      labels += 4;
    }
    dloss += 4;
  }
}

/** y (rows) = share of positions at which the first largest of x is at the label; one with NaN never is, nor one that is `ignored` */
export function correct(
  x: usize,
  labels: usize,
  y: usize,
  rows: u32,
  positions: u32,
  cols: u32,
  ignored: i32,
): void {
  for (; rows > 0; rows--) {
    let right: u32 = 0;
    for (let p: u32 = 0; p < positions; p++) {
      const label = load<u32>(labels);
      let ok = label < cols && <i32>label != ignored;
      if (ok) {
        const value = load<f32>(x + (<usize>label << 2));
        for (let j: u32 = 0; j < label; j++) ok = ok && load<f32>(x + (<usize>j << 2)) < value;
        for (let j: u32 = label; j < cols; j++) ok = ok && load<f32>(x + (<usize>j << 2)) <= value;
      }
      right += u32(ok);
      x += <usize>cols << 2;
      labels += 4;
    }
    store<f32>(y, <f32>right / <f32>positions);
    y += 4;
  }
}
