// Optimizers: one pass over parameters p, gradients g and the state, in place. n floats each.
// `hyper` points at a HyperBlock (see abi.ts): f32 learningRate, weightDecay, biasCorrection1, biasCorrection2.

import { fma, fnma, loadPart, storePart } from './lanes';

/** y = g, and + sum where isAccumulated is not 0: what the sum held before the first part must not count, not even a NaN */
export function accumulate(g: usize, sum: usize, y: usize, n: u32, hyper: usize): void {
  const keep = i32x4.splat(load<f32>(hyper, 28) != 0 ? -1 : 0);
  for (; n >= 8; n -= 8) {
    const g0 = v128.load(g);
    const g1 = v128.load(g, 16);
    const s0 = v128.and(keep, v128.load(sum));
    const s1 = v128.and(keep, v128.load(sum, 16));
    const y0 = f32x4.add(g0, s0);
    const y1 = f32x4.add(g1, s1);
    v128.store(y, y0);
    v128.store(y, y1, 16);
    g += 32;
    sum += 32;
    y += 32;
  }
  while (n > 0) {
    const part = min<u32>(n, 4);
    storePart(y, f32x4.add(loadPart(g, part), v128.and(keep, loadPart(sum, part))), part);
    g += 16;
    sum += 16;
    y += 16;
    n -= part;
  }
}

/** a += (1 − decay)·(p − a) */
export function averageUpdate(p: usize, a: usize, n: u32, decay: f64): void {
  const c = f32x4.splat(<f32>(1 - decay));
  for (; n >= 8; n -= 8) {
    const p0 = v128.load(p);
    const p1 = v128.load(p, 16);
    const a0 = v128.load(a);
    const a1 = v128.load(a, 16);
    const b0 = fma(c, f32x4.sub(p0, a0), a0);
    const b1 = fma(c, f32x4.sub(p1, a1), a1);
    v128.store(a, b0);
    v128.store(a, b1, 16);
    p += 32;
    a += 32;
  }
  while (n > 0) {
    const part = min<u32>(n, 4);
    const a0 = loadPart(a, part);
    storePart(a, fma(c, f32x4.sub(loadPart(p, part), a0), a0), part);
    p += 16;
    a += 16;
    n -= part;
  }
}

/** g' = g + weightDecay·p; p −= learningRate·g' */
export function sgdUpdate(p: usize, g: usize, n: u32, hyper: usize): void {
  const rate = f32x4.splat(load<f32>(hyper));
  const decay = f32x4.splat(load<f32>(hyper, 4));
  for (; n >= 8; n -= 8) {
    const p0 = v128.load(p);
    const p1 = v128.load(p, 16);
    const g0 = v128.load(g);
    const g1 = v128.load(g, 16);
    const q0 = fnma(rate, fma(decay, p0, g0), p0);
    const q1 = fnma(rate, fma(decay, p1, g1), p1);
    v128.store(p, q0);
    v128.store(p, q1, 16);
    p += 32;
    g += 32;
  }
  while (n > 0) {
    const part = min<u32>(n, 4);
    const p0 = loadPart(p, part);
    storePart(p, fnma(rate, fma(decay, p0, loadPart(g, part)), p0), part);
    p += 16;
    g += 16;
    n -= part;
  }
}

/** g' = g + weightDecay·p; v = momentum·v + g'; p −= learningRate·(nesterov ? g' + momentum·v : v) */
export function momentumUpdate(
  p: usize,
  g: usize,
  v: usize,
  n: u32,
  momentum: f64,
  nesterov: u32,
  hyper: usize,
): void {
  const rate = f32x4.splat(load<f32>(hyper));
  const decay = f32x4.splat(load<f32>(hyper, 4));
  const mu = f32x4.splat(<f32>momentum);
  // the step is a·v + b·g' with (a, b) = (momentum, 1) or (1, 0), chosen by a mask
  const mask = i32x4.splat(nesterov ? -1 : 0);
  for (; n >= 8; n -= 8) {
    const p0 = v128.load(p);
    const p1 = v128.load(p, 16);
    const g0 = v128.load(g);
    const g1 = v128.load(g, 16);
    const v0 = v128.load(v);
    const v1 = v128.load(v, 16);
    const d0 = fma(decay, p0, g0);
    const d1 = fma(decay, p1, g1);
    const w0 = fma(mu, v0, d0);
    const w1 = fma(mu, v1, d1);
    const q0 = fnma(rate, v128.bitselect(fma(mu, w0, d0), w0, mask), p0);
    const q1 = fnma(rate, v128.bitselect(fma(mu, w1, d1), w1, mask), p1);
    v128.store(v, w0);
    v128.store(v, w1, 16);
    v128.store(p, q0);
    v128.store(p, q1, 16);
    p += 32;
    g += 32;
    v += 32;
  }
  while (n > 0) {
    const part = min<u32>(n, 4);
    const p0 = loadPart(p, part);
    const d0 = fma(decay, p0, loadPart(g, part));
    const w0 = fma(mu, loadPart(v, part), d0);
    storePart(v, w0, part);
    storePart(p, fnma(rate, v128.bitselect(fma(mu, w0, d0), w0, mask), p0), part);
    p += 16;
    g += 16;
    v += 16;
    n -= part;
  }
}

/**
 * Adam and AdamW. Two cases share one formula: p' = keep·p, g' = g + decay·p, where
 * AdamW has keep = 1 − learningRate·weightDecay, decay = 0; Adam has keep = 1, decay = weightDecay.
 * m += (1−β₁)(g'−m); v = β₂v + (1−β₂)g'²; p = p' − (learningRate/bias1)·m / (√v/√bias2 + ε)
 * With `keepLargest` (a constant where this is inlined) the root is that of x = max(x, v), torch's AMSGrad.
 */
// @ts-ignore: decorator
@inline
function adam(
  p: usize,
  g: usize,
  m: usize,
  v: usize,
  x: usize,
  n: u32,
  beta1: f64,
  beta2: f64,
  epsilon: f64,
  decoupled: u32,
  hyper: usize,
  keepLargest: bool,
): void {
  const rate = load<f32>(hyper);
  const weightDecay = load<f32>(hyper, 4);
  const keep = f32x4.splat(decoupled ? 1 - rate * weightDecay : 1);
  const decay = f32x4.splat(decoupled ? 0 : weightDecay);
  const rate1 = f32x4.splat(rate / load<f32>(hyper, 8));
  const root2 = f32x4.splat(<f32>1 / sqrt<f32>(load<f32>(hyper, 12)));
  const eps = f32x4.splat(<f32>epsilon);
  const b2 = f32x4.splat(<f32>beta2);
  // 1 − β in f64: from f32(0.999) it would be 1.3e-5 off
  const c1 = f32x4.splat(<f32>(1 - beta1));
  const c2 = f32x4.splat(<f32>(1 - beta2));
  for (; n >= 8; n -= 8) {
    const p0 = v128.load(p);
    const p1 = v128.load(p, 16);
    const g0 = v128.load(g);
    const g1 = v128.load(g, 16);
    const m0 = v128.load(m);
    const m1 = v128.load(m, 16);
    const v0 = v128.load(v);
    const v1 = v128.load(v, 16);
    const d0 = fma(decay, p0, g0);
    const d1 = fma(decay, p1, g1);
    const n0 = fma(c1, f32x4.sub(d0, m0), m0);
    const n1 = fma(c1, f32x4.sub(d1, m1), m1);
    const w0 = fma(f32x4.mul(c2, d0), d0, f32x4.mul(b2, v0));
    const w1 = fma(f32x4.mul(c2, d1), d1, f32x4.mul(b2, v1));
    let y0 = w0;
    let y1 = w1;
    if (keepLargest) {
      y0 = f32x4.max(v128.load(x), w0);
      y1 = f32x4.max(v128.load(x, 16), w1);
      v128.store(x, y0);
      v128.store(x, y1, 16);
      x += 32;
    }
    const s0 = f32x4.div(f32x4.mul(rate1, n0), fma(f32x4.sqrt(y0), root2, eps));
    const s1 = f32x4.div(f32x4.mul(rate1, n1), fma(f32x4.sqrt(y1), root2, eps));
    const q0 = f32x4.sub(f32x4.mul(keep, p0), s0);
    const q1 = f32x4.sub(f32x4.mul(keep, p1), s1);
    v128.store(m, n0);
    v128.store(m, n1, 16);
    v128.store(v, w0);
    v128.store(v, w1, 16);
    v128.store(p, q0);
    v128.store(p, q1, 16);
    p += 32;
    g += 32;
    m += 32;
    v += 32;
  }
  while (n > 0) {
    const part = min<u32>(n, 4);
    const p0 = loadPart(p, part);
    const m0 = loadPart(m, part);
    const d0 = fma(decay, p0, loadPart(g, part));
    const n0 = fma(c1, f32x4.sub(d0, m0), m0);
    const w0 = fma(f32x4.mul(c2, d0), d0, f32x4.mul(b2, loadPart(v, part)));
    let y0 = w0;
    if (keepLargest) {
      y0 = f32x4.max(loadPart(x, part), w0);
      storePart(x, y0, part);
      x += 16;
    }
    const s0 = f32x4.div(f32x4.mul(rate1, n0), fma(f32x4.sqrt(y0), root2, eps));
    storePart(m, n0, part);
    storePart(v, w0, part);
    storePart(p, f32x4.sub(f32x4.mul(keep, p0), s0), part);
    p += 16;
    g += 16;
    m += 16;
    v += 16;
    n -= part;
  }
}

export function adamUpdate(
  p: usize,
  g: usize,
  m: usize,
  v: usize,
  n: u32,
  beta1: f64,
  beta2: f64,
  epsilon: f64,
  decoupled: u32,
  hyper: usize,
): void {
  adam(p, g, m, v, 0, n, beta1, beta2, epsilon, decoupled, hyper, false);
}

/** adamUpdate with x, the largest v so far */
export function amsgradUpdate(
  p: usize,
  g: usize,
  m: usize,
  v: usize,
  x: usize,
  n: u32,
  beta1: f64,
  beta2: f64,
  epsilon: f64,
  decoupled: u32,
  hyper: usize,
): void {
  adam(p, g, m, v, x, n, beta1, beta2, epsilon, decoupled, hyper, true);
}
