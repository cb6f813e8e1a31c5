// Optimizers that divide by the root of squared gradients, without momentum's bias corrections: Adagrad, Adadelta,
// RMSprop. As in optimizers.ts, `hyper` points at a HyperBlock, and everything of n floats is changed in place.

import { fma, fnma, loadPart, storePart } from './lanes';
import { updateWithState } from './optimizers';

@unmanaged
class Adagrad {
  @inline state(p: v128, g: v128, v: v128, _: v128, decay: v128, _i: v128, _e: v128): v128 {
    const d = fma(decay, p, g);
    return fma(d, d, v);
  }
  @inline step(p: v128, g: v128, _: v128, v: v128, rate: v128, decay: v128, initial: v128, eps: v128): v128 {
    const root = f32x4.sqrt(f32x4.add(v, initial));
    return fnma(rate, f32x4.div(fma(decay, p, g), f32x4.add(root, eps)), p);
  }
}

/** g' = g + weightDecay·p; v += g'²; p −= learningRate·g' / (√(v + initial) + ε) */
export function adagradUpdate(p: usize, g: usize, v: usize, n: u32, initial: f64, epsilon: f64, hyper: usize): void {
  const rate = f32x4.splat(load<f32>(hyper));
  const decay = f32x4.splat(load<f32>(hyper, 4));
  updateWithState<Adagrad>(p, g, v, n, rate, decay, f32x4.splat(<f32>initial), f32x4.splat(<f32>epsilon));
}

/** g' = g + weightDecay·p; v = ρv + (1−ρ)g'²; δ = g'·√((d + ε) / (v + ε)); d = ρd + (1−ρ)δ²; p −= learningRate·δ */
export function adadeltaUpdate(
  p: usize,
  g: usize,
  v: usize,
  d: usize,
  n: u32,
  rho: f64,
  epsilon: f64,
  hyper: usize,
): void {
  const rate = f32x4.splat(load<f32>(hyper));
  const decay = f32x4.splat(load<f32>(hyper, 4));
  const keep = f32x4.splat(<f32>rho);
  const take = f32x4.splat(<f32>(1 - rho));
  const eps = f32x4.splat(<f32>epsilon);
  for (; n >= 8; n -= 8) {
    const p0 = v128.load(p);
    const p1 = v128.load(p, 16);
    const g0 = v128.load(g);
    const g1 = v128.load(g, 16);
    const v0 = v128.load(v);
    const v1 = v128.load(v, 16);
    const d0 = v128.load(d);
    const d1 = v128.load(d, 16);
    const h0 = fma(decay, p0, g0);
    const h1 = fma(decay, p1, g1);
    const w0 = fma(f32x4.mul(take, h0), h0, f32x4.mul(keep, v0));
    const w1 = fma(f32x4.mul(take, h1), h1, f32x4.mul(keep, v1));
    const s0 = f32x4.mul(h0, f32x4.sqrt(f32x4.div(f32x4.add(d0, eps), f32x4.add(w0, eps))));
    const s1 = f32x4.mul(h1, f32x4.sqrt(f32x4.div(f32x4.add(d1, eps), f32x4.add(w1, eps))));
    const e0 = fma(f32x4.mul(take, s0), s0, f32x4.mul(keep, d0));
    const e1 = fma(f32x4.mul(take, s1), s1, f32x4.mul(keep, d1));
    const q0 = fnma(rate, s0, p0);
    const q1 = fnma(rate, s1, p1);
    v128.store(v, w0);
    v128.store(v, w1, 16);
    v128.store(d, e0);
    v128.store(d, e1, 16);
    v128.store(p, q0);
    v128.store(p, q1, 16);
    p += 32;
    g += 32;
    v += 32;
    d += 32;
  }
  while (n > 0) {
    const part = min<u32>(n, 4);
    const p0 = loadPart(p, part);
    const d0 = loadPart(d, part);
    const h0 = fma(decay, p0, loadPart(g, part));
    const w0 = fma(f32x4.mul(take, h0), h0, f32x4.mul(keep, loadPart(v, part)));
    const s0 = f32x4.mul(h0, f32x4.sqrt(f32x4.div(f32x4.add(d0, eps), f32x4.add(w0, eps))));
    storePart(v, w0, part);
    storePart(d, fma(f32x4.mul(take, s0), s0, f32x4.mul(keep, d0)), part);
    storePart(p, fnma(rate, s0, p0), part);
    p += 16;
    g += 16;
    v += 16;
    d += 16;
    n -= part;
  }
}

/** One of four loops: `centered` and `heavy` are constants where this is inlined. */
// @ts-ignore: decorator
@inline
function rmsprop(
  p: usize,
  g: usize,
  v: usize,
  average: usize,
  velocity: usize,
  n: u32,
  alpha: f64,
  epsilon: f64,
  momentum: f64,
  hyper: usize,
  centered: bool,
  heavy: bool,
): void {
  const rate = f32x4.splat(load<f32>(hyper));
  const decay = f32x4.splat(load<f32>(hyper, 4));
  const keep = f32x4.splat(<f32>alpha);
  const take = f32x4.splat(<f32>(1 - alpha));
  const eps = f32x4.splat(<f32>epsilon);
  const mu = f32x4.splat(<f32>momentum);
  const zero = f32x4.splat(0);
  for (; n >= 8; n -= 8) {
    const p0 = v128.load(p);
    const p1 = v128.load(p, 16);
    const g0 = v128.load(g);
    const g1 = v128.load(g, 16);
    const v0 = v128.load(v);
    const v1 = v128.load(v, 16);
    const d0 = fma(decay, p0, g0);
    const d1 = fma(decay, p1, g1);
    const w0 = fma(f32x4.mul(take, d0), d0, f32x4.mul(keep, v0));
    const w1 = fma(f32x4.mul(take, d1), d1, f32x4.mul(keep, v1));
    let u0 = w0;
    let u1 = w1;
    if (centered) {
      const a0 = v128.load(average);
      const a1 = v128.load(average, 16);
      const b0 = fma(take, f32x4.sub(d0, a0), a0);
      const b1 = fma(take, f32x4.sub(d1, a1), a1);
      u0 = f32x4.max(fnma(b0, b0, w0), zero);
      u1 = f32x4.max(fnma(b1, b1, w1), zero);
      v128.store(average, b0);
      v128.store(average, b1, 16);
      average += 32;
    }
    let s0 = f32x4.div(d0, f32x4.add(f32x4.sqrt(u0), eps));
    let s1 = f32x4.div(d1, f32x4.add(f32x4.sqrt(u1), eps));
    if (heavy) {
      const m0 = v128.load(velocity);
      const m1 = v128.load(velocity, 16);
      s0 = fma(mu, m0, s0);
      s1 = fma(mu, m1, s1);
      v128.store(velocity, s0);
      v128.store(velocity, s1, 16);
      velocity += 32;
    }
    const q0 = fnma(rate, s0, p0);
    const q1 = fnma(rate, s1, p1);
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
    const w0 = fma(f32x4.mul(take, d0), d0, f32x4.mul(keep, loadPart(v, part)));
    let u0 = w0;
    if (centered) {
      const a0 = loadPart(average, part);
      const b0 = fma(take, f32x4.sub(d0, a0), a0);
      u0 = f32x4.max(fnma(b0, b0, w0), zero);
      storePart(average, b0, part);
      average += 16;
    }
    let s0 = f32x4.div(d0, f32x4.add(f32x4.sqrt(u0), eps));
    if (heavy) {
      s0 = fma(mu, loadPart(velocity, part), s0);
      storePart(velocity, s0, part);
      velocity += 16;
    }
    storePart(v, w0, part);
    storePart(p, fnma(rate, s0, p0), part);
    p += 16;
    g += 16;
    v += 16;
    n -= part;
  }
}

/**
 * g' = g + weightDecay·p; v = αv + (1−α)g'²; s = g' / (√v + ε), or, where there is an `average` a,
 * a += (1−α)(g'−a); s = g' / (√max(v − a², 0) + ε). Where there is a `velocity` b, b = momentum·b + s; s = b.
 * p −= learningRate·s. A pointer of 0 stands for none.
 */
export function rmspropUpdate(
  p: usize,
  g: usize,
  v: usize,
  average: usize,
  velocity: usize,
  n: u32,
  alpha: f64,
  epsilon: f64,
  momentum: f64,
  hyper: usize,
): void {
  if (average != 0) {
    if (velocity != 0) rmsprop(p, g, v, average, velocity, n, alpha, epsilon, momentum, hyper, true, true);
    else rmsprop(p, g, v, average, velocity, n, alpha, epsilon, momentum, hyper, true, false);
  } else {
    if (velocity != 0) rmsprop(p, g, v, average, velocity, n, alpha, epsilon, momentum, hyper, false, true);
    else rmsprop(p, g, v, average, velocity, n, alpha, epsilon, momentum, hyper, false, false);
  }
}
