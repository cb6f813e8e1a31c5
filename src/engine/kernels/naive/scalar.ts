import { Activation } from '../abi.ts';

/** Functions of one number in f64; the caller rounds. */

export function sigmoidOf(x: number): number {
  return 1 / (1 + Math.exp(-x));
}

/**
 * The normal distribution's lower tail Φ(−z), z ≥ 0, and with it Φ: a series near 0, a continued fraction
 * beyond (Abramowitz & Stegun 26.2.11 and 26.2.14). Relative error below 1e-13.
 */
export function normalCdfOf(x: number): number {
  if (Number.isNaN(x)) return Number.NaN;
  const z = Math.abs(x);
  if (z > 40) return x < 0 ? 0 : 1;
  const density = normalDensityOf(z);
  if (z < 2.5) {
    let term = z;
    let sum = z;
    for (let i = 3; term > sum * 1e-17; i += 2) {
      term *= (z * z) / i;
      sum += term;
    }
    return x < 0 ? 0.5 - density * sum : 0.5 + density * sum;
  }
  let fraction = 0;
  for (let i = 120; i > 0; i--) fraction = i / (z + fraction);
  const tail = density / (z + fraction);
  return x < 0 ? tail : 1 - tail;
}

export function normalDensityOf(x: number): number {
  return Math.exp(-0.5 * x * x) / Math.sqrt(2 * Math.PI);
}

export function geluErfOf(x: number): number {
  return x * normalCdfOf(x);
}

export function geluErfSlopeOf(x: number): number {
  const density = normalDensityOf(x);
  return normalCdfOf(x) + (density === 0 ? 0 : x * density);
}

const GELU_ROOT = 2 * Math.sqrt(2 / Math.PI);

/** 0.5·x·(1 + tanh u) = x·sigmoid(2u) */
export function geluTanhOf(x: number): number {
  return x * sigmoidOf(GELU_ROOT * (x + 0.044715 * x * x * x));
}

export function geluTanhSlopeOf(x: number): number {
  const s = sigmoidOf(GELU_ROOT * (x + 0.044715 * x * x * x));
  const outer = s * (1 - s);
  return s + (outer === 0 ? 0 : x * outer * GELU_ROOT * (1 + 3 * 0.044715 * x * x));
}

export function eluOf(x: number, alpha: number): number {
  return x > 0 ? x : alpha * Math.expm1(x);
}

export const SELU_ALPHA = 1.6732632423543772;
export const SELU_SCALE = 1.0507009873554805;

export function seluOf(x: number): number {
  return SELU_SCALE * eluOf(x, SELU_ALPHA);
}

export function siluOf(x: number): number {
  return x * sigmoidOf(x);
}

export function siluSlopeOf(x: number): number {
  const s = sigmoidOf(x);
  const outer = s * (1 - s);
  return s + (outer === 0 ? 0 : x * outer);
}

/** ln(1 + e^x) */
export function softplusOf(x: number): number {
  return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
}

export function mishOf(x: number): number {
  return x * Math.tanh(softplusOf(x));
}

/** t + x·(1 − t²)·sigmoid(x), t = tanh(softplus(x)) */
export function mishSlopeOf(x: number): number {
  const t = Math.tanh(softplusOf(x));
  const outer = (1 - t * t) * sigmoidOf(x);
  return t + (outer === 0 ? 0 : x * outer);
}

export function softsignOf(x: number): number {
  return x / (1 + Math.abs(x));
}

export function clip(x: number, low: number, high: number): number {
  return Math.min(Math.max(x, low), high);
}

export function hardSigmoidOf(x: number): number {
  return clip(x / 6 + 0.5, 0, 1);
}

/** The activation of a product's epilogue; `code` is one of `Activation`. */
export function activationOf(x: number, code: number, alpha: number): number {
  switch (code) {
    case Activation.relu:
      return Math.max(x, 0);
    case Activation.leakyRelu:
      return x < 0 ? Math.fround(x * Math.fround(alpha)) : x;
    case Activation.sigmoid:
      return sigmoidOf(x);
    case Activation.tanh:
      return Math.tanh(x);
    case Activation.geluErf:
      return geluErfOf(x);
    case Activation.geluTanh:
      return geluTanhOf(x);
    case Activation.elu:
      return eluOf(x, Math.fround(alpha));
    case Activation.selu:
      return seluOf(x);
    case Activation.softplus:
      return softplusOf(x);
    case Activation.softsign:
      return softsignOf(x);
    case Activation.hardSigmoid:
      return hardSigmoidOf(x);
    case Activation.hardTanh:
      return clip(x, -1, 1);
    case Activation.relu6:
      return clip(x, 0, 6);
    default:
      return x;
  }
}
