// Adam and its relatives: AMSGrad, Adamax, NAdam, RAdam, and LAMB's direction (lamb.ts). n floats each; `hyper` points at a HyperBlock (see abi.ts).
//
// They share g' = g + decay·p and m += (1−β₁)(g'−m). What differs is said by a class without fields for the loop `adamLike`, like those of loops.ts:
//   second(d, v, …)   the new v; d is g'
//   step(p, d, m, v, …)   what is written in the end, the new p; a, b, c are constants of its own

import { fma, fnma, loadPart, storePart } from './lanes';

/** β₂v + (1−β₂)g'² */
// @ts-ignore: decorator
@inline
export function decayedSquare(d: v128, v: v128, b2: v128, c2: v128): v128 {
  return fma(f32x4.mul(c2, d), d, f32x4.mul(b2, v));
}

/**
 * One pass. With `keepLargest` the step has x = max(x, v) in place of v; with `isElsewhere` it is written to `to` and p stays (both are constants where
 * this is inlined).
 * 1 − β is taken in f64: from f32(0.999) it would be 1.3e-5 off.
 */
// @ts-ignore: decorator
@inline
export function adamLike<F>(
  p: usize,
  g: usize,
  m: usize,
  v: usize,
  x: usize,
  to: usize,
  n: u32,
  beta1: f64,
  beta2: f64,
  epsilon: f64,
  decay: v128,
  a: v128,
  b: v128,
  c: v128,
  keepLargest: bool,
  isElsewhere: bool,
): void {
  const f = changetype<F>(0);
  const eps = f32x4.splat(<f32>epsilon);
  const b2 = f32x4.splat(<f32>beta2);
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
    const w0 = f.second(d0, v0, b2, c2, eps);
    const w1 = f.second(d1, v1, b2, c2, eps);
    let y0 = w0;
    let y1 = w1;
    if (keepLargest) {
      y0 = f32x4.max(v128.load(x), w0);
      y1 = f32x4.max(v128.load(x, 16), w1);
      v128.store(x, y0);
      v128.store(x, y1, 16);
      x += 32;
    }
    const q0 = f.step(p0, d0, n0, y0, eps, a, b, c);
    const q1 = f.step(p1, d1, n1, y1, eps, a, b, c);
    v128.store(m, n0);
    v128.store(m, n1, 16);
    v128.store(v, w0);
    v128.store(v, w1, 16);
    v128.store(isElsewhere ? to : p, q0);
    v128.store(isElsewhere ? to : p, q1, 16);
    p += 32;
    g += 32;
    m += 32;
    v += 32;
    if (isElsewhere) to += 32;
  }
  while (n > 0) {
    const part = min<u32>(n, 4);
    const p0 = loadPart(p, part);
    const m0 = loadPart(m, part);
    const d0 = fma(decay, p0, loadPart(g, part));
    const n0 = fma(c1, f32x4.sub(d0, m0), m0);
    const w0 = f.second(d0, loadPart(v, part), b2, c2, eps);
    let y0 = w0;
    if (keepLargest) {
      y0 = f32x4.max(loadPart(x, part), w0);
      storePart(x, y0, part);
      x += 16;
    }
    storePart(m, n0, part);
    storePart(v, w0, part);
    storePart(isElsewhere ? to : p, f.step(p0, d0, n0, y0, eps, a, b, c), part);
    p += 16;
    g += 16;
    m += 16;
    v += 16;
    if (isElsewhere) to += 16;
    n -= part;
  }
}

/** keep·p − rate·m / (√v·root + ε) */
@unmanaged
class Adam {
  @inline second(d: v128, v: v128, b2: v128, c2: v128, _: v128): v128 { return decayedSquare(d, v, b2, c2); }
  @inline step(p: v128, _: v128, m: v128, v: v128, eps: v128, rate: v128, root: v128, keep: v128): v128 {
    return f32x4.sub(f32x4.mul(keep, p), f32x4.div(f32x4.mul(rate, m), fma(f32x4.sqrt(v), root, eps)));
  }
}

/**
 * Adam and AdamW. Two cases share one formula: p' = keep·p, g' = g + decay·p, where
 * AdamW has keep = 1 − learningRate·weightDecay, decay = 0; Adam has keep = 1, decay = weightDecay.
 * v = β₂v + (1−β₂)g'²; p = p' − (learningRate/bias1)·m / (√v/√bias2 + ε)
 * With `keepLargest` the root is that of x = max(x, v), torch's AMSGrad.
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
  const learningRate = load<f32>(hyper);
  const weightDecay = load<f32>(hyper, 4);
  const keep = f32x4.splat(decoupled ? 1 - learningRate * weightDecay : 1);
  const decay = f32x4.splat(decoupled ? 0 : weightDecay);
  const rate = f32x4.splat(learningRate / load<f32>(hyper, 8));
  const root = f32x4.splat(<f32>1 / sqrt<f32>(load<f32>(hyper, 12)));
  adamLike<Adam>(p, g, m, v, x, 0, n, beta1, beta2, epsilon, decay, rate, root, keep, keepLargest, false);
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

@unmanaged
class Adamax {
  @inline second(d: v128, u: v128, b2: v128, _: v128, eps: v128): v128 {
    return f32x4.max(f32x4.mul(b2, u), f32x4.add(f32x4.abs(d), eps));
  }
  @inline step(p: v128, _d: v128, m: v128, u: v128, _eps: v128, rate: v128, _b: v128, _c: v128): v128 {
    return fnma(rate, f32x4.div(m, u), p);
  }
}

/** u = max(β₂u, |g'| + ε); p −= (learningRate/bias1)·m / u */
export function adamaxUpdate(
  p: usize,
  g: usize,
  m: usize,
  u: usize,
  n: u32,
  beta1: f64,
  beta2: f64,
  epsilon: f64,
  hyper: usize,
): void {
  const decay = f32x4.splat(load<f32>(hyper, 4));
  const rate = f32x4.splat(load<f32>(hyper) / load<f32>(hyper, 8));
  adamLike<Adamax>(p, g, m, u, 0, 0, n, beta1, beta2, epsilon, decay, rate, rate, rate, false, false);
}

@unmanaged
class NAdam {
  @inline second(d: v128, v: v128, b2: v128, c2: v128, _: v128): v128 { return decayedSquare(d, v, b2, c2); }
  @inline step(p: v128, d: v128, m: v128, v: v128, eps: v128, gradientRate: v128, momentRate: v128, root: v128): v128 {
    const s = fma(gradientRate, d, f32x4.mul(momentRate, m));
    return f32x4.sub(p, f32x4.div(s, fma(f32x4.sqrt(v), root, eps)));
  }
}

/** v = β₂v + (1−β₂)g'²; p −= (gradientRate·g' + momentRate·m) / (√v/√bias2 + ε) */
export function nadamUpdate(
  p: usize,
  g: usize,
  m: usize,
  v: usize,
  n: u32,
  beta1: f64,
  beta2: f64,
  epsilon: f64,
  hyper: usize,
): void {
  const decay = f32x4.splat(load<f32>(hyper, 4));
  const root = f32x4.splat(<f32>1 / sqrt<f32>(load<f32>(hyper, 12)));
  const gradientRate = f32x4.splat(load<f32>(hyper, 16));
  const momentRate = f32x4.splat(load<f32>(hyper, 20));
  adamLike<NAdam>(p, g, m, v, 0, 0, n, beta1, beta2, epsilon, decay, gradientRate, momentRate, root, false, false);
}

@unmanaged
class RAdam {
  @inline second(d: v128, v: v128, b2: v128, c2: v128, _: v128): v128 { return decayedSquare(d, v, b2, c2); }
  @inline step(p: v128, _d: v128, m: v128, v: v128, eps: v128, momentRate: v128, adaptive: v128, _c: v128): v128 {
    const divisor = v128.bitselect(f32x4.add(f32x4.sqrt(v), eps), f32x4.splat(1), adaptive);
    return f32x4.sub(p, f32x4.div(f32x4.mul(momentRate, m), divisor));
  }
}

/** v = β₂v + (1−β₂)g'²; p −= momentRate·m / (adaptive ≠ 0 ? √v + ε : 1) */
export function radamUpdate(
  p: usize,
  g: usize,
  m: usize,
  v: usize,
  n: u32,
  beta1: f64,
  beta2: f64,
  epsilon: f64,
  hyper: usize,
): void {
  const decay = f32x4.splat(load<f32>(hyper, 4));
  const momentRate = f32x4.splat(load<f32>(hyper, 20));
  const adaptive = i32x4.splat(load<f32>(hyper, 24) != 0 ? -1 : 0);
  adamLike<RAdam>(p, g, m, v, 0, 0, n, beta1, beta2, epsilon, decay, momentRate, adaptive, adaptive, false, false);
}
