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
