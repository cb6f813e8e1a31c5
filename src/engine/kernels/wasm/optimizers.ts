// Plain optimizers, and what stands beside any: one pass over parameters p, gradients g and the state, in place. n floats each.
// `hyper` points at a HyperBlock (see abi.ts): f32 learningRate, weightDecay, biasCorrection1, biasCorrection2.

import { fma, fnma, loadPart, storePart } from './lanes';
import { zip } from './loops';

@unmanaged
class AddKept {
  @inline of2(g: v128, sum: v128, keep: v128): v128 { return f32x4.add(g, v128.and(keep, sum)); }
}

@unmanaged
class Average {
  @inline of2(p: v128, a: v128, c: v128): v128 { return fma(c, f32x4.sub(p, a), a); }
}

/** y = g, and + sum where isAccumulated is not 0: what the sum held before the first part must not count, not even a NaN */
export function accumulate(g: usize, sum: usize, y: usize, n: u32, hyper: usize): void {
  zip<AddKept>(g, sum, y, n, i32x4.splat(load<f32>(hyper, 28) != 0 ? -1 : 0));
}

/** a += (1 − decay)·(p − a) */
export function averageUpdate(p: usize, a: usize, n: u32, decay: f64): void {
  zip<Average>(p, a, a, n, f32x4.splat(<f32>(1 - decay)));
}

/**
 * One pass of an optimizer with one state s. The class F says, for four lanes and four constants of its own, what s becomes, and then p:
 *   state(p, g, s, a, b, c, d)   step(p, g, s, the new s, a, b, c, d)
 */
// @ts-ignore: decorator
@inline
export function updateWithState<F>(p: usize, g: usize, s: usize, n: u32, a: v128, b: v128, c: v128, d: v128): void {
  const f = changetype<F>(0);
  for (; n >= 8; n -= 8) {
    const p0 = v128.load(p);
    const p1 = v128.load(p, 16);
    const g0 = v128.load(g);
    const g1 = v128.load(g, 16);
    const s0 = v128.load(s);
    const s1 = v128.load(s, 16);
    const t0 = f.state(p0, g0, s0, a, b, c, d);
    const t1 = f.state(p1, g1, s1, a, b, c, d);
    const q0 = f.step(p0, g0, s0, t0, a, b, c, d);
    const q1 = f.step(p1, g1, s1, t1, a, b, c, d);
    v128.store(s, t0);
    v128.store(s, t1, 16);
    v128.store(p, q0);
    v128.store(p, q1, 16);
    p += 32;
    g += 32;
    s += 32;
  }
  while (n > 0) {
    const part = min<u32>(n, 4);
    const p0 = loadPart(p, part);
    const g0 = loadPart(g, part);
    const s0 = loadPart(s, part);
    const t0 = f.state(p0, g0, s0, a, b, c, d);
    storePart(s, t0, part);
    storePart(p, f.step(p0, g0, s0, t0, a, b, c, d), part);
    p += 16;
    g += 16;
    s += 16;
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

@unmanaged
class Momentum {
  @inline state(p: v128, g: v128, v: v128, _: v128, decay: v128, momentum: v128, _m: v128): v128 {
    return fma(momentum, v, fma(decay, p, g));
  }
  @inline step(p: v128, g: v128, _: v128, v: v128, rate: v128, decay: v128, momentum: v128, nesterov: v128): v128 {
    return fnma(rate, v128.bitselect(fma(momentum, v, fma(decay, p, g)), v, nesterov), p);
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
  updateWithState<Momentum>(p, g, v, n, rate, decay, f32x4.splat(<f32>momentum), i32x4.splat(nesterov ? -1 : 0));
}
