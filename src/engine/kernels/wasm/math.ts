// Elementary functions on four lanes. Polynomials after Cephes (Moshier) for exp, log and tanh; the normal
// distribution's tail from a fit of our own. Worst errors over each function's range, against f64, as tested in
// test/kernels/math.test.ts for both modules: see the figure at each function (units in the last place).

import { bits, constant, fma, fnma } from './lanes';

/** 1.5·2²³: adding it rounds to an integer that then stands in the low bits of the sum. */
// @ts-ignore: decorator
@inline const ROUND: f32 = 12582912.0;
// @ts-ignore: decorator
@inline const ROUND_BITS: i32 = 0x4b400000;
// @ts-ignore: decorator
@inline const LOG2_E: f32 = 1.44269504088896341;
/** ln 2 in two parts: the first has 9 bits, so its product with an exponent is exact even without a fused multiply. */
// @ts-ignore: decorator
@inline const LN2_HIGH: f32 = 0.693359375;
// @ts-ignore: decorator
@inline const LN2_LOW: f32 = -2.12194440e-4;

/** x/ln 2 rounded to an integer n, as n + ROUND; x in [−104, 89] or NaN */
// @ts-ignore: decorator
@inline
function exponentOf(x: v128): v128 {
  return fma(x, constant(LOG2_E), constant(ROUND));
}

/** r = x − n·ln 2, |r| ≤ ln2/2 */
// @ts-ignore: decorator
@inline
function remainderOf(x: v128, shifted: v128): v128 {
  const n = f32x4.sub(shifted, constant(ROUND));
  return fnma(n, constant(LN2_LOW), fnma(n, constant(LN2_HIGH), x));
}

/** e^r − 1 */
// @ts-ignore: decorator
@inline
function expm1OfRemainder(r: v128): v128 {
  let p = fma(constant(1.9875691500e-4), r, constant(1.3981999507e-3));
  p = fma(p, r, constant(8.3334519073e-3));
  p = fma(p, r, constant(4.1665795894e-2));
  p = fma(p, r, constant(1.6666665459e-1));
  p = fma(p, r, constant(5.0000001201e-1));
  return fma(p, f32x4.mul(r, r), r);
}

/** 2ⁿ·e^r. The power of two is multiplied in two halves, so that results may become subnormal, 0 or ∞. */
// @ts-ignore: decorator
@inline
function scaledExp(shifted: v128, r: v128): v128 {
  let p = f32x4.add(expm1OfRemainder(r), constant(1));
  const exponent = i32x4.sub(shifted, bits(ROUND_BITS));
  const half = i32x4.shr_s(exponent, 1);
  const rest = i32x4.sub(exponent, half);
  const bias = bits(127);
  p = f32x4.mul(p, i32x4.shl(i32x4.add(half, bias), 23));
  return f32x4.mul(p, i32x4.shl(i32x4.add(rest, bias), 23));
}

/** e^x; ≤ 1.1 ulp, subnormal results included. Above 88.73 ∞, below −103.97 zero, NaN stays NaN. */
// @ts-ignore: decorator
@inline
export function exp4(x: v128): v128 {
  // pmin/pmax keep their first operand when either is NaN
  const clamped = f32x4.pmax(f32x4.pmin(x, constant(89)), constant(-104));
  const shifted = exponentOf(clamped);
  return scaledExp(shifted, remainderOf(clamped, shifted));
}

/** e^x − 1 for x ≤ 0, where the rounding of e^x would lose a small x; ≤ 0.9 ulp, NaN stays NaN. */
// @ts-ignore: decorator
@inline
export function expm1Negative4(x: v128): v128 {
  // −1 in f32 from there on
  const clamped = f32x4.pmax(x, constant(-25));
  const shifted = exponentOf(clamped);
  const power = i32x4.shl(i32x4.add(i32x4.sub(shifted, bits(ROUND_BITS)), bits(127)), 23);
  return fma(power, expm1OfRemainder(remainderOf(clamped, shifted)), f32x4.sub(power, constant(1)));
}

/** ln x; ≤ 0.9 ulp, around 1 and for subnormal x too. */
// @ts-ignore: decorator
@inline
export function log4(x: v128): v128 {
  // subnormals are brought into the normal range first
  const tiny = f32x4.lt(x, constant(1.17549435e-38));
  const scaled = v128.bitselect(f32x4.mul(x, constant(8388608)), x, tiny);
  // x = m·2^e with m in [√½, √2)
  const e = i32x4.shr_s(i32x4.sub(scaled, bits(0x3f3504f3)), 23);
  const f = f32x4.sub(i32x4.sub(scaled, i32x4.shl(e, 23)), constant(1));
  const exponent = f32x4.sub(f32x4.convert_i32x4_s(e), v128.and(tiny, constant(23)));
  const z = f32x4.mul(f, f);
  let p = fma(constant(7.0376836292e-2), f, constant(-1.1514610310e-1));
  p = fma(p, f, constant(1.1676998740e-1));
  p = fma(p, f, constant(-1.2420140846e-1));
  p = fma(p, f, constant(1.4249322787e-1));
  p = fma(p, f, constant(-1.6668057665e-1));
  p = fma(p, f, constant(2.0000714765e-1));
  p = fma(p, f, constant(-2.4999993993e-1));
  p = fma(p, f, constant(3.3333331174e-1));
  p = f32x4.mul(f32x4.mul(p, f), z);
  p = fma(exponent, constant(LN2_LOW), p);
  p = fnma(constant(0.5), z, p);
  let y = fma(exponent, constant(LN2_HIGH), f32x4.add(f, p));
  // +∞ and NaN are their own logarithm; log 0 = −∞; below 0 NaN
  y = v128.bitselect(y, x, f32x4.lt(x, constant(Infinity)));
  y = v128.bitselect(constant(-Infinity), y, f32x4.eq(x, constant(0)));
  return v128.bitselect(constant(NaN), y, f32x4.lt(x, constant(0)));
}

/** ln(1 + x) for x in [0, 1]. The rounding error of 1 + x is added back. */
// @ts-ignore: decorator
@inline
export function log1p4(x: v128): v128 {
  const one = constant(1);
  const u = f32x4.add(one, x);
  return f32x4.add(log4(u), f32x4.div(f32x4.sub(x, f32x4.sub(u, one)), u));
}

/** 1/(1 + e^−x); ≤ 2.5 ulp down to −88, 0 below. */
// @ts-ignore: decorator
@inline
export function sigmoid4(x: v128): v128 {
  const one = constant(1);
  return f32x4.div(one, f32x4.add(one, exp4(f32x4.neg(x))));
}

/** tanh x; ≤ 1.3 ulp. An odd polynomial up to |x| = 0.625, 1 − 2/(e^2|x| + 1) beyond. */
// @ts-ignore: decorator
@inline
export function tanh4(x: v128): v128 {
  const z = f32x4.abs(x);
  const one = constant(1);
  const big = f32x4.sub(one, f32x4.div(constant(2), f32x4.add(exp4(f32x4.add(z, z)), one)));
  const s = f32x4.mul(x, x);
  let p = fma(constant(-5.70498872745e-3), s, constant(2.06390887954e-2));
  p = fma(p, s, constant(-5.37397155531e-2));
  p = fma(p, s, constant(1.33314422036e-1));
  p = fma(p, s, constant(-3.33332819422e-1));
  const small = fma(f32x4.mul(p, s), x, x);
  const sign = v128.and(x, bits(0x80000000));
  return v128.bitselect(v128.or(big, sign), small, f32x4.gt(z, constant(0.625)));
}

/**
 * e^(−z²/2) for z in [0, 15]: z² is split into a part exact in f32 and a rest, so that the exponent keeps its relative
 * precision in the far tail.
 */
// @ts-ignore: decorator
@inline
export function gauss4(z: v128): v128 {
  const high = v128.and(z, bits(0xfffff000));
  const half = constant(-0.5);
  const exact = f32x4.mul(half, f32x4.mul(high, high));
  const rest = f32x4.mul(half, f32x4.mul(f32x4.sub(z, high), f32x4.add(z, high)));
  const clamped = f32x4.pmax(exact, constant(-104));
  const shifted = exponentOf(clamped);
  return scaledExp(shifted, f32x4.add(remainderOf(clamped, shifted), rest));
}

/**
 * The normal distribution Φ(x), where z = min(|x|, 15) and gauss = e^(−z²/2); ≤ 5 ulp.
 * Φ(−z) = e^(−z²/2)·t·P(t), t = 1/(1 + 0.35z): a least-squares fit of ½·erfcx(z/√2) reweighted towards the smallest
 * relative error (5e-8 with these rounded coefficients), which stays relative in the tail where 1 − erf would be zero.
 */
// @ts-ignore: decorator
@inline
export function normalCdf4(x: v128, z: v128, gauss: v128): v128 {
  const one = constant(1);
  const t = f32x4.div(one, fma(constant(0.35), z, one));
  let p = fma(constant(-0.0291638467), t, constant(0.144060433));
  p = fma(p, t, constant(-0.255901128));
  p = fma(p, t, constant(0.159392133));
  p = fma(p, t, constant(-0.0232633315));
  p = fma(p, t, constant(0.105574608));
  p = fma(p, t, constant(0.119815543));
  p = fma(p, t, constant(0.139864326));
  p = fma(p, t, constant(0.139621258));
  const tail = f32x4.mul(f32x4.mul(p, t), gauss);
  return v128.bitselect(tail, f32x4.sub(one, tail), f32x4.lt(x, constant(0)));
}

/** Where the normal tail is 0 in f32; NaN stays. */
// @ts-ignore: decorator
@inline
export function normalRange4(x: v128): v128 {
  return f32x4.pmin(f32x4.abs(x), constant(15));
}

/** x·Φ(x); ≤ 5.5 ulp, in the negative tail too */
// @ts-ignore: decorator
@inline
export function geluErf4(x: v128): v128 {
  const z = normalRange4(x);
  return f32x4.mul(x, normalCdf4(x, z, gauss4(z)));
}

/** Φ(x) + x·φ(x) */
// @ts-ignore: decorator
@inline
export function geluErfSlope4(x: v128): v128 {
  const z = normalRange4(x);
  const gauss = gauss4(z);
  const signed = v128.or(z, v128.and(x, bits(0x80000000)));
  return fma(signed, f32x4.mul(gauss, constant(0.3989422804014327)), normalCdf4(x, z, gauss));
}

/**
 * 0.5·x·(1 + tanh u) = x·sigmoid(2u), u = √(2/π)(x + 0.044715x³); ≤ 5.5 ulp above −2. Below, the rounding of 2u grows with
 * it: 200 ulp at −10, where the value is 1e-36.
 */
// @ts-ignore: decorator
@inline
export function geluTanh4(x: v128): v128 {
  const cubic = fma(f32x4.mul(x, x), constant(0.044715 * 1.5957691216057308), constant(1.5957691216057308));
  return f32x4.mul(x, sigmoid4(f32x4.mul(x, cubic)));
}

/** s + x·s(1−s)·(2u)', s = sigmoid(2u), 1 − s = e^−2u·s, (2u)' = 2√(2/π)(1 + 3·0.044715x²) */
// @ts-ignore: decorator
@inline
export function geluTanhSlope4(x: v128): v128 {
  // beyond ±15 the slope is 0 or 1 in f32; neither x² nor e^−2u must reach ∞, for 0·∞ is NaN
  const c = f32x4.pmax(f32x4.pmin(x, constant(15)), constant(-15));
  const square = f32x4.mul(c, c);
  const root = constant(1.5957691216057308);
  const u2 = f32x4.mul(c, fma(square, constant(0.044715 * 1.5957691216057308), root));
  const e = exp4(f32x4.neg(f32x4.pmax(u2, constant(-88))));
  const s = f32x4.div(constant(1), f32x4.add(constant(1), e));
  const slope = fma(square, constant(3 * 0.044715 * 1.5957691216057308), root);
  return fma(f32x4.mul(f32x4.mul(c, s), f32x4.mul(e, s)), slope, s);
}
