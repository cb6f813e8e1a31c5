import { fma, fnma, loadPart, storePart } from './lanes';

/** −1, 0 or 1; NaN stays NaN */
// @ts-ignore: decorator
@inline
function sign(x: v128): v128 {
  const one = v128.or(v128.and(x, f32x4.splat(-0.0)), f32x4.splat(1));
  return v128.bitselect(one, x, f32x4.gt(f32x4.abs(x), f32x4.splat(0)));
}

/**
 * Lion: c = m + (1−β₁)(g−m); p = (1 − learningRate·weightDecay)·p − learningRate·sign(c); m += (1−β₂)(g−m).
 * `hyper` points at a HyperBlock; everything of n floats is changed in place.
 */
export function lionUpdate(p: usize, g: usize, m: usize, n: u32, beta1: f64, beta2: f64, hyper: usize): void {
  const learningRate = load<f32>(hyper);
  const rate = f32x4.splat(learningRate);
  const keep = f32x4.splat(1 - learningRate * load<f32>(hyper, 4));
  const c1 = f32x4.splat(<f32>(1 - beta1));
  const c2 = f32x4.splat(<f32>(1 - beta2));
  for (; n >= 8; n -= 8) {
    const p0 = v128.load(p);
    const p1 = v128.load(p, 16);
    const g0 = v128.load(g);
    const g1 = v128.load(g, 16);
    const m0 = v128.load(m);
    const m1 = v128.load(m, 16);
    const d0 = f32x4.sub(g0, m0);
    const d1 = f32x4.sub(g1, m1);
    const s0 = sign(fma(c1, d0, m0));
    const s1 = sign(fma(c1, d1, m1));
    const n0 = fma(c2, d0, m0);
    const n1 = fma(c2, d1, m1);
    const q0 = fnma(rate, s0, f32x4.mul(keep, p0));
    const q1 = fnma(rate, s1, f32x4.mul(keep, p1));
    v128.store(m, n0);
    v128.store(m, n1, 16);
    v128.store(p, q0);
    v128.store(p, q1, 16);
    p += 32;
    g += 32;
    m += 32;
  }
  while (n > 0) {
    const part = min<u32>(n, 4);
    const m0 = loadPart(m, part);
    const d0 = f32x4.sub(loadPart(g, part), m0);
    const s0 = sign(fma(c1, d0, m0));
    const q0 = fnma(rate, s0, f32x4.mul(keep, loadPart(p, part)));
    storePart(m, fma(c2, d0, m0), part);
    storePart(p, q0, part);
    p += 16;
    g += 16;
    m += 16;
    n -= part;
  }
}
