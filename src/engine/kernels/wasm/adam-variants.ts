// Relatives of Adam with a step of their own: Adamax, NAdam, RAdam. As in optimizers.ts, `hyper` points at a HyperBlock,
// g' = g + weightDecay·p, m += (1−β₁)(g'−m), and 1 − β is taken in f64.

import { fma, fnma, loadPart, storePart } from './lanes';

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
  const rate = f32x4.splat(load<f32>(hyper) / load<f32>(hyper, 8));
  const decay = f32x4.splat(load<f32>(hyper, 4));
  const eps = f32x4.splat(<f32>epsilon);
  const b2 = f32x4.splat(<f32>beta2);
  const c1 = f32x4.splat(<f32>(1 - beta1));
  for (; n >= 8; n -= 8) {
    const p0 = v128.load(p);
    const p1 = v128.load(p, 16);
    const g0 = v128.load(g);
    const g1 = v128.load(g, 16);
    const m0 = v128.load(m);
    const m1 = v128.load(m, 16);
    const v0 = v128.load(u);
    const v1 = v128.load(u, 16);
    const d0 = fma(decay, p0, g0);
    const d1 = fma(decay, p1, g1);
    const n0 = fma(c1, f32x4.sub(d0, m0), m0);
    const n1 = fma(c1, f32x4.sub(d1, m1), m1);
    const w0 = f32x4.max(f32x4.mul(b2, v0), f32x4.add(f32x4.abs(d0), eps));
    const w1 = f32x4.max(f32x4.mul(b2, v1), f32x4.add(f32x4.abs(d1), eps));
    const q0 = fnma(rate, f32x4.div(n0, w0), p0);
    const q1 = fnma(rate, f32x4.div(n1, w1), p1);
    v128.store(m, n0);
    v128.store(m, n1, 16);
    v128.store(u, w0);
    v128.store(u, w1, 16);
    v128.store(p, q0);
    v128.store(p, q1, 16);
    p += 32;
    g += 32;
    m += 32;
    u += 32;
  }
  while (n > 0) {
    const part = min<u32>(n, 4);
    const p0 = loadPart(p, part);
    const g0 = loadPart(g, part);
    const m0 = loadPart(m, part);
    const v0 = loadPart(u, part);
    const d0 = fma(decay, p0, g0);
    const n0 = fma(c1, f32x4.sub(d0, m0), m0);
    const w0 = f32x4.max(f32x4.mul(b2, v0), f32x4.add(f32x4.abs(d0), eps));
    const q0 = fnma(rate, f32x4.div(n0, w0), p0);
    storePart(m, n0, part);
    storePart(u, w0, part);
    storePart(p, q0, part);
    p += 16;
    g += 16;
    m += 16;
    u += 16;
    n -= part;
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
  const root2 = f32x4.splat(<f32>1 / sqrt<f32>(load<f32>(hyper, 12)));
  const gradientRate = f32x4.splat(load<f32>(hyper, 16));
  const momentRate = f32x4.splat(load<f32>(hyper, 20));
  const c2 = f32x4.splat(<f32>(1 - beta2));
  const decay = f32x4.splat(load<f32>(hyper, 4));
  const eps = f32x4.splat(<f32>epsilon);
  const b2 = f32x4.splat(<f32>beta2);
  const c1 = f32x4.splat(<f32>(1 - beta1));
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
    const s0 = fma(gradientRate, d0, f32x4.mul(momentRate, n0));
    const s1 = fma(gradientRate, d1, f32x4.mul(momentRate, n1));
    const q0 = f32x4.sub(p0, f32x4.div(s0, fma(f32x4.sqrt(w0), root2, eps)));
    const q1 = f32x4.sub(p1, f32x4.div(s1, fma(f32x4.sqrt(w1), root2, eps)));
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
    const g0 = loadPart(g, part);
    const m0 = loadPart(m, part);
    const v0 = loadPart(v, part);
    const d0 = fma(decay, p0, g0);
    const n0 = fma(c1, f32x4.sub(d0, m0), m0);
    const w0 = fma(f32x4.mul(c2, d0), d0, f32x4.mul(b2, v0));
    const s0 = fma(gradientRate, d0, f32x4.mul(momentRate, n0));
    const q0 = f32x4.sub(p0, f32x4.div(s0, fma(f32x4.sqrt(w0), root2, eps)));
    storePart(m, n0, part);
    storePart(v, w0, part);
    storePart(p, q0, part);
    p += 16;
    g += 16;
    m += 16;
    v += 16;
    n -= part;
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
  const momentRate = f32x4.splat(load<f32>(hyper, 20));
  const adaptive = i32x4.splat(load<f32>(hyper, 24) != 0 ? -1 : 0);
  const one = f32x4.splat(1);
  const c2 = f32x4.splat(<f32>(1 - beta2));
  const decay = f32x4.splat(load<f32>(hyper, 4));
  const eps = f32x4.splat(<f32>epsilon);
  const b2 = f32x4.splat(<f32>beta2);
  const c1 = f32x4.splat(<f32>(1 - beta1));
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
    const e0 = v128.bitselect(f32x4.add(f32x4.sqrt(w0), eps), one, adaptive);
    const e1 = v128.bitselect(f32x4.add(f32x4.sqrt(w1), eps), one, adaptive);
    const q0 = f32x4.sub(p0, f32x4.div(f32x4.mul(momentRate, n0), e0));
    const q1 = f32x4.sub(p1, f32x4.div(f32x4.mul(momentRate, n1), e1));
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
    const g0 = loadPart(g, part);
    const m0 = loadPart(m, part);
    const v0 = loadPart(v, part);
    const d0 = fma(decay, p0, g0);
    const n0 = fma(c1, f32x4.sub(d0, m0), m0);
    const w0 = fma(f32x4.mul(c2, d0), d0, f32x4.mul(b2, v0));
    const e0 = v128.bitselect(f32x4.add(f32x4.sqrt(w0), eps), one, adaptive);
    const q0 = f32x4.sub(p0, f32x4.div(f32x4.mul(momentRate, n0), e0));
    storePart(m, n0, part);
    storePart(v, w0, part);
    storePart(p, q0, part);
    p += 16;
    g += 16;
    m += 16;
    v += 16;
    n -= part;
  }
}
