import type { Kernels } from '../abi.ts';
import { createLoops } from './loops.ts';
import {
  clip,
  eluOf,
  geluErfOf,
  geluErfSlopeOf,
  geluTanhOf,
  geluTanhSlopeOf,
  hardSigmoidOf,
  mishOf,
  mishSlopeOf,
  SELU_ALPHA,
  SELU_SCALE,
  seluOf,
  sigmoidOf,
  siluOf,
  siluSlopeOf,
  softplusOf,
  softsignOf,
} from './scalar.ts';
import type { Views } from './views.ts';

type Differentiable =
  | 'relu'
  | 'leakyRelu'
  | 'sigmoid'
  | 'tanh'
  | 'geluErf'
  | 'geluTanh'
  | 'elu'
  | 'selu'
  | 'silu'
  | 'mish'
  | 'softplus'
  | 'softsign'
  | 'hardSigmoid'
  | 'hardTanh'
  | 'relu6'
  | 'hardSilu';

type ActivationName = Differentiable | `${Differentiable}Grad` | 'exp' | 'log';

export function createActivations({ f32 }: Views): Pick<Kernels, ActivationName> {
  const { map, zip } = createLoops(f32);
  return {
    relu: (x, y, n) => map(x, y, n, (x) => Math.max(x, 0)),
    leakyRelu: (x, y, n, alpha) => map(x, y, n, (x) => (x < 0 ? x * Math.fround(alpha) : x)),
    sigmoid: (x, y, n) => map(x, y, n, sigmoidOf),
    tanh: (x, y, n) => map(x, y, n, Math.tanh),
    geluErf: (x, y, n) => map(x, y, n, geluErfOf),
    geluTanh: (x, y, n) => map(x, y, n, geluTanhOf),
    exp: (x, y, n) => map(x, y, n, Math.exp),
    log: (x, y, n) => map(x, y, n, Math.log),
    elu: (x, y, n, alpha) => map(x, y, n, (x) => eluOf(x, Math.fround(alpha))),
    selu: (x, y, n) => map(x, y, n, seluOf),
    silu: (x, y, n) => map(x, y, n, siluOf),
    mish: (x, y, n) => map(x, y, n, mishOf),
    softplus: (x, y, n) => map(x, y, n, softplusOf),
    softsign: (x, y, n) => map(x, y, n, softsignOf),
    hardSigmoid: (x, y, n) => map(x, y, n, hardSigmoidOf),
    hardTanh: (x, y, n) => map(x, y, n, (x) => clip(x, -1, 1)),
    relu6: (x, y, n) => map(x, y, n, (x) => clip(x, 0, 6)),
    hardSilu: (x, y, n) => map(x, y, n, (x) => x * hardSigmoidOf(x)),

    reluGrad: (dy, y, dx, n) => zip(dy, y, dx, n, (dy, y) => (y <= 0 ? 0 : dy)),
    leakyReluGrad: (dy, y, dx, n, alpha) => zip(dy, y, dx, n, (dy, y) => (y <= 0 ? dy * Math.fround(alpha) : dy)),
    sigmoidGrad: (dy, y, dx, n) => zip(dy, y, dx, n, (dy, y) => dy * y * (1 - y)),
    tanhGrad: (dy, y, dx, n) => zip(dy, y, dx, n, (dy, y) => dy * (1 - y * y)),
    geluErfGrad: (dy, x, dx, n) => zip(dy, x, dx, n, (dy, x) => dy * geluErfSlopeOf(x)),
    geluTanhGrad: (dy, x, dx, n) => zip(dy, x, dx, n, (dy, x) => dy * geluTanhSlopeOf(x)),
    eluGrad: (dy, y, dx, n, alpha) => zip(dy, y, dx, n, (dy, y) => (y <= 0 ? dy * (y + Math.fround(alpha)) : dy)),
    seluGrad: (dy, y, dx, n) => zip(dy, y, dx, n, (dy, y) => dy * (y <= 0 ? y + SELU_SCALE * SELU_ALPHA : SELU_SCALE)),
    siluGrad: (dy, x, dx, n) => zip(dy, x, dx, n, (dy, x) => dy * siluSlopeOf(x)),
    mishGrad: (dy, x, dx, n) => zip(dy, x, dx, n, (dy, x) => dy * mishSlopeOf(x)),
    softplusGrad: (dy, y, dx, n) => zip(dy, y, dx, n, (dy, y) => -dy * Math.expm1(-y)),
    softsignGrad: (dy, y, dx, n) => zip(dy, y, dx, n, (dy, y) => dy * (1 - Math.abs(y)) ** 2),
    hardSigmoidGrad: (dy, y, dx, n) => zip(dy, y, dx, n, (dy, y) => (y <= 0 || y >= 1 ? 0 : dy / 6)),
    hardTanhGrad: (dy, y, dx, n) => zip(dy, y, dx, n, (dy, y) => (y <= -1 || y >= 1 ? 0 : dy)),
    relu6Grad: (dy, y, dx, n) => zip(dy, y, dx, n, (dy, y) => (y <= 0 || y >= 6 ? 0 : dy)),
    hardSiluGrad: (dy, x, dx, n) => zip(dy, x, dx, n, (dy, x) => dy * (x <= -3 ? 0 : x < 3 ? x / 3 + 0.5 : 1)),
  };
}
