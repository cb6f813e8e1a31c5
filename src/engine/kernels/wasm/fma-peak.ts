// The most this core can do: what the matrix product is measured against.

import { fma } from './lanes';

/** `iterations` × 20 independent fused multiply-adds of 4 lanes: 160 floating-point operations each, in registers. */
export function fmaPeak(iterations: i32): f32 {
  // operands V8 cannot know: constants would be made anew at every use
  const x = f32x4.splat(<f32>iterations * 1e-10);
  const y = f32x4.splat(<f32>iterations * 1e-12);
  let s0 = f32x4.splat(0.0);
  let t0 = f32x4.splat(0.0);
  let s1 = f32x4.splat(1.0);
  let t1 = f32x4.splat(1.0);
  let s2 = f32x4.splat(2.0);
  let t2 = f32x4.splat(2.0);
  let s3 = f32x4.splat(3.0);
  let t3 = f32x4.splat(3.0);
  let s4 = f32x4.splat(4.0);
  let t4 = f32x4.splat(4.0);
  let s5 = f32x4.splat(5.0);
  let t5 = f32x4.splat(5.0);
  let s6 = f32x4.splat(6.0);
  let t6 = f32x4.splat(6.0);
  let s7 = f32x4.splat(7.0);
  let t7 = f32x4.splat(7.0);
  let s8 = f32x4.splat(8.0);
  let t8 = f32x4.splat(8.0);
  let s9 = f32x4.splat(9.0);
  let t9 = f32x4.splat(9.0);
  for (let i = iterations; i > 0; i--) {
    s0 = fma(s0, x, y);
    t0 = fma(t0, x, y);
    s1 = fma(s1, x, y);
    t1 = fma(t1, x, y);
    s2 = fma(s2, x, y);
    t2 = fma(t2, x, y);
    s3 = fma(s3, x, y);
    t3 = fma(t3, x, y);
    s4 = fma(s4, x, y);
    t4 = fma(t4, x, y);
    s5 = fma(s5, x, y);
    t5 = fma(t5, x, y);
    s6 = fma(s6, x, y);
    t6 = fma(t6, x, y);
    s7 = fma(s7, x, y);
    t7 = fma(t7, x, y);
    s8 = fma(s8, x, y);
    t8 = fma(t8, x, y);
    s9 = fma(s9, x, y);
    t9 = fma(t9, x, y);
  }
  // Used as halves of pairs only, or each turn of the loop would take the 256-bit sums apart. The branch is never
  // taken: a pair of stores is what the revectoriser starts from.
  const s = sum10(s0, s1, s2, s3, s4, s5, s6, s7, s8, s9);
  const t = sum10(t0, t1, t2, t3, t4, t5, t6, t7, t8, t9);
  if (iterations < 0) {
    v128.store(iterations, s);
    v128.store(iterations, t, 16);
  }
  return f32x4.extract_lane(s, 0) + f32x4.extract_lane(t, 0);
}

// @ts-ignore: decorator
@inline
function sum10(
  a: v128,
  b: v128,
  c: v128,
  d: v128,
  e: v128,
  f: v128,
  g: v128,
  h: v128,
  i: v128,
  j: v128,
): v128 {
  const abcd = f32x4.add(f32x4.add(a, b), f32x4.add(c, d));
  const efgh = f32x4.add(f32x4.add(e, f), f32x4.add(g, h));
  return f32x4.add(f32x4.add(abcd, efgh), f32x4.add(i, j));
}
