// LAMB in two passes, with the norms of the whole tensor taken in between. `hyper` points at a HyperBlock.

import { fma, fnma, loadPart, storePart } from './lanes';

/** m += (1−β₁)(g−m); v = β₂v + (1−β₂)g²; u = (m/bias1) / (√v/√bias2 + ε) + weightDecay·p */
export function lambDirection(
  p: usize,
  g: usize,
  m: usize,
  v: usize,
  u: usize,
  n: u32,
  beta1: f64,
  beta2: f64,
  epsilon: f64,
  hyper: usize,
): void {
  const decay = f32x4.splat(load<f32>(hyper, 4));
  const scale1 = f32x4.splat(<f32>1 / load<f32>(hyper, 8));
  const root2 = f32x4.splat(<f32>1 / sqrt<f32>(load<f32>(hyper, 12)));
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
    const n0 = fma(c1, f32x4.sub(g0, m0), m0);
    const n1 = fma(c1, f32x4.sub(g1, m1), m1);
    const w0 = fma(f32x4.mul(c2, g0), g0, f32x4.mul(b2, v0));
    const w1 = fma(f32x4.mul(c2, g1), g1, f32x4.mul(b2, v1));
    const s0 = f32x4.div(f32x4.mul(scale1, n0), fma(f32x4.sqrt(w0), root2, eps));
    const s1 = f32x4.div(f32x4.mul(scale1, n1), fma(f32x4.sqrt(w1), root2, eps));
    const u0 = fma(decay, p0, s0);
    const u1 = fma(decay, p1, s1);
    v128.store(m, n0);
    v128.store(m, n1, 16);
    v128.store(v, w0);
    v128.store(v, w1, 16);
    v128.store(u, u0);
    v128.store(u, u1, 16);
    p += 32;
    g += 32;
    m += 32;
    v += 32;
    u += 32;
  }
  while (n > 0) {
    const part = min<u32>(n, 4);
    const g0 = loadPart(g, part);
    const m0 = loadPart(m, part);
    const n0 = fma(c1, f32x4.sub(g0, m0), m0);
    const w0 = fma(f32x4.mul(c2, g0), g0, f32x4.mul(b2, loadPart(v, part)));
    const s0 = f32x4.div(f32x4.mul(scale1, n0), fma(f32x4.sqrt(w0), root2, eps));
    const u0 = fma(decay, loadPart(p, part), s0);
    storePart(m, n0, part);
    storePart(v, w0, part);
    storePart(u, u0, part);
    p += 16;
    g += 16;
    m += 16;
    v += 16;
    u += 16;
    n -= part;
  }
}

/** √Σ of `count` sums of squares, added in f64, in order */
function norm(squares: usize, count: u32): f64 {
  let sum: f64 = 0;
  for (; count > 0; count--) {
    sum += <f64>load<f32>(squares);
    squares += 4;
  }
  return sqrt<f64>(sum);
}

/** p −= learningRate·r·u, r = ‖p‖/‖u‖, or 1 where either norm is 0 */
export function lambUpdate(
  p: usize,
  u: usize,
  n: u32,
  parameterSquares: usize,
  directionSquares: usize,
  count: u32,
  hyper: usize,
): void {
  const ofParameter = norm(parameterSquares, count);
  const ofDirection = norm(directionSquares, count);
  const ratio: f64 = ofParameter == 0 || ofDirection == 0 ? 1 : ofParameter / ofDirection;
  const rate = f32x4.splat(<f32>(<f64>load<f32>(hyper) * ratio));
  for (; n >= 8; n -= 8) {
    const p0 = v128.load(p);
    const p1 = v128.load(p, 16);
    const u0 = v128.load(u);
    const u1 = v128.load(u, 16);
    const q0 = fnma(rate, u0, p0);
    const q1 = fnma(rate, u1, p1);
    v128.store(p, q0);
    v128.store(p, q1, 16);
    p += 32;
    u += 32;
  }
  while (n > 0) {
    const part = min<u32>(n, 4);
    storePart(p, fnma(rate, loadPart(u, part), loadPart(p, part)), part);
    p += 16;
    u += 16;
    n -= part;
  }
}
