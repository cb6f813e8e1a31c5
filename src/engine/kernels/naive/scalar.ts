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
    default:
      return x;
  }
}
