// Losses that take a row as a whole, one number after the other: they are called once a row, on the narrow output of a network.

import { exp4, log4 } from './math';

// @ts-ignore: decorator
@inline
function expOf(x: f32): f32 {
  return f32x4.extract_lane(exp4(f32x4.splat(x)), 0);
}

// @ts-ignore: decorator
@inline
function logOf(x: f32): f32 {
  return f32x4.extract_lane(log4(f32x4.splat(x)), 0);
}

// @ts-ignore: decorator
@inline
function at(x: usize, i: u32): f32 {
  return load<f32>(x + (<usize>i << 2));
}

/** The largest of n floats; NaN may be passed over. */
function largest(x: usize, n: u32): f32 {
  let top: f32 = -Infinity;
  for (let j: u32 = 0; j < n; j++) top = at(x, j) > top ? at(x, j) : top;
  return top;
}

/** Σ e^(x − top) but for the element `except` (n: none) */
function expSumBut(x: usize, n: u32, top: f32, except: u32): f32 {
  let sum: f32 = 0;
  for (let j: u32 = 0; j < n; j++) if (j != except) sum += expOf(at(x, j) - top);
  return sum;
}

// ---- softmax against a distribution ------------------------------------------------------------------------------

/** loss = Σ t·(ln t − ln softmax(x)); what is 0 in t adds nothing */
export function divergence(x: usize, t: usize, loss: usize, rows: u32, cols: u32): void {
  for (; rows > 0; rows--) {
    const top = largest(x, cols);
    const log = logOf(expSumBut(x, cols, top, cols)) + top;
    let sum: f32 = 0;
    for (let j: u32 = 0; j < cols; j++) {
      const share = at(t, j);
      const own = share > 0 ? logOf(share) : share;
      sum += share * (own + (log - at(x, j)));
    }
    store<f32>(loss, sum);
    loss += 4;
    x += <usize>cols << 2;
    t += <usize>cols << 2;
  }
}

/** dx = (softmax(x)·Σ t − t)·dloss[row] */
export function divergenceGrad(x: usize, t: usize, dloss: usize, dx: usize, rows: u32, cols: u32): void {
  for (; rows > 0; rows--) {
    const slope = load<f32>(dloss);
    const top = largest(x, cols);
    const sum = expSumBut(x, cols, top, cols);
    let total: f32 = 0;
    for (let j: u32 = 0; j < cols; j++) total += at(t, j);
    for (let j: u32 = 0; j < cols; j++) {
      store<f32>(dx, ((expOf(at(x, j) - top) / sum) * total - at(t, j)) * slope);
      dx += 4;
    }
    dloss += 4;
    x += <usize>cols << 2;
    t += <usize>cols << 2;
  }
}

// ---- the angle between two vectors -------------------------------------------------------------------------------

function dot(x: usize, t: usize, n: u32): f32 {
  let sum: f32 = 0;
  for (let j: u32 = 0; j < n; j++) sum += at(x, j) * at(t, j);
  return sum;
}

/** loss = 1 − x·t/(‖x‖·‖t‖); 1, without a gradient, where either is 0 */
export function cosineLoss(x: usize, t: usize, loss: usize, rows: u32, cols: u32): void {
  for (; rows > 0; rows--) {
    const norms = sqrt<f32>(dot(x, x, cols)) * sqrt<f32>(dot(t, t, cols));
    store<f32>(loss, norms == 0 ? 1 : 1 - dot(x, t, cols) / norms);
    loss += 4;
    x += <usize>cols << 2;
    t += <usize>cols << 2;
  }
}

/** dx = (cos·x/‖x‖² − t/(‖x‖·‖t‖))·dloss[row] */
export function cosineLossGrad(x: usize, t: usize, dloss: usize, dx: usize, rows: u32, cols: u32): void {
  for (; rows > 0; rows--) {
    const slope = load<f32>(dloss);
    const square = dot(x, x, cols);
    const norms = sqrt<f32>(square) * sqrt<f32>(dot(t, t, cols));
    const isZero = norms == 0;
    const own: f32 = isZero ? 0 : (dot(x, t, cols) / norms / square) * slope;
    const other: f32 = isZero ? 0 : slope / norms;
    for (let j: u32 = 0; j < cols; j++) {
      store<f32>(dx, own * at(x, j) - other * at(t, j));
      dx += 4;
    }
    dloss += 4;
    x += <usize>cols << 2;
    t += <usize>cols << 2;
  }
}

// ---- logits against one class: x (rows, positions, cols), labels (rows, positions) ---------------------------------

// @ts-ignore: decorator
@inline
function weightOf(weights: usize, label: u32, cols: u32): f32 {
  if (label >= cols) return NaN;
  return weights == 0 ? 1 : at(weights, label);
}

/** loss = mean over positions of w[label]·q^γ·ℓ, q = 1 − p the probability of all other classes, ℓ = −ln p */
export function focalCrossEntropy(
  x: usize,
  labels: usize,
  weights: usize,
  loss: usize,
  rows: u32,
  positions: u32,
  cols: u32,
  ignored: i32,
  gamma: f32,
): void {
  for (; rows > 0; rows--) {
    let sum: f32 = 0;
    for (let p: u32 = 0; p < positions; p++) {
      const label = load<u32>(labels);
      if (<i32>label != ignored) {
        const top = largest(x, cols);
        const others = expSumBut(x, cols, top, label);
        const all = others + (label < cols ? expOf(at(x, label) - top) : 0);
        const entropy: f32 = label < cols ? logOf(all) + top - at(x, label) : NaN;
        sum += weightOf(weights, label, cols) * expOf(gamma * logOf(others / all)) * entropy;
      }
      x += <usize>cols << 2;
      labels += 4;
    }
    store<f32>(loss, sum / <f32>positions);
    loss += 4;
  }
}

/** dx[j] = w[label]·q^γ·(1 + γ·p·ℓ/q)·(softmax(x)[j] − [j = label])·dloss[row]/positions */
export function focalCrossEntropyGrad(
  x: usize,
  labels: usize,
  weights: usize,
  dloss: usize,
  dx: usize,
  rows: u32,
  positions: u32,
  cols: u32,
  ignored: i32,
  gamma: f32,
): void {
  for (; rows > 0; rows--) {
    const slope = load<f32>(dloss) / <f32>positions;
    for (let p: u32 = 0; p < positions; p++) {
      const label = load<u32>(labels);
      const isIgnored = <i32>label == ignored;
      const top = largest(x, cols);
      const others = expSumBut(x, cols, top, label);
      const own: f32 = label < cols ? expOf(at(x, label) - top) : 0;
      const all = others + own;
      const entropy: f32 = label < cols ? logOf(all) + top - at(x, label) : NaN;
      const q = others / all;
      // ℓ/q goes to 1 where the class is certain
      const ratio: f32 = q == 0 ? 1 : entropy / q;
      const factor = expOf(gamma * logOf(q)) * (1 + gamma * (own / all) * ratio);
      const gradient = weightOf(weights, label, cols) * factor * slope;
      for (let j: u32 = 0; j < cols; j++) {
        const share: f32 = j == label ? -q : expOf(at(x, j) - top) / all;
        store<f32>(dx, isIgnored ? 0 : gradient * share);
        dx += 4;
      }
      x += <usize>cols << 2;
      labels += 4;
    }
    dloss += 4;
  }
}

/** loss = mean over positions and cols of w[label]·max(0, margin + x[j] − x[label])^power, j ≠ label; power is 1 or 2 */
export function marginLoss(
  x: usize,
  labels: usize,
  weights: usize,
  loss: usize,
  rows: u32,
  positions: u32,
  cols: u32,
  ignored: i32,
  margin: f32,
  power: f32,
): void {
  for (; rows > 0; rows--) {
    let sum: f32 = 0;
    for (let p: u32 = 0; p < positions; p++) {
      const label = load<u32>(labels);
      if (<i32>label != ignored) {
        const own: f32 = label < cols ? at(x, label) : NaN;
        let violations: f32 = 0;
        for (let j: u32 = 0; j < cols; j++) {
          const gap = margin + at(x, j) - own;
          // NaN is no smaller than 0
          if (j != label && !(gap <= 0)) violations += power == 2 ? gap * gap : gap;
        }
        sum += (weightOf(weights, label, cols) * violations) / <f32>cols;
      }
      x += <usize>cols << 2;
      labels += 4;
    }
    store<f32>(loss, sum / <f32>positions);
    loss += 4;
  }
}

export function marginLossGrad(
  x: usize,
  labels: usize,
  weights: usize,
  dloss: usize,
  dx: usize,
  rows: u32,
  positions: u32,
  cols: u32,
  ignored: i32,
  margin: f32,
  power: f32,
): void {
  for (; rows > 0; rows--) {
    const slope = load<f32>(dloss) / <f32>positions / <f32>cols;
    for (let p: u32 = 0; p < positions; p++) {
      const label = load<u32>(labels);
      const isIgnored = <i32>label == ignored;
      const own: f32 = label < cols ? at(x, label) : NaN;
      const gradient = weightOf(weights, label, cols) * slope;
      let total: f32 = 0;
      for (let j: u32 = 0; j < cols; j++) {
        const gap = margin + at(x, j) - own;
        let value: f32 = 0;
        if (j != label && !(gap <= 0) && !isIgnored) value = (power == 2 ? 2 * gap : gap == gap ? 1 : gap) * gradient;
        total += value;
        store<f32>(dx + (<usize>j << 2), value);
      }
      if (label < cols && !isIgnored) store<f32>(dx + (<usize>label << 2), -total);
      x += <usize>cols << 2;
      dx += <usize>cols << 2;
      labels += 4;
    }
    dloss += 4;
  }
}
