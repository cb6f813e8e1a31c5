import type { Kernels } from './kernels/abi.ts';
import type { Seed } from './random.ts';

/**
 * Initial values. `fanIn` and `fanOut` are a weight's inputs and outputs; `gain` widens the distribution.
 * Xavier: Glorot & Bengio 2010. He: He et al. 2015. LeCun: LeCun et al. 1998.
 */
export type InitializerDescription =
  | { type: 'zeros' | 'ones' }
  | { type: 'constant'; value: number }
  | { type: 'values'; values: readonly number[] }
  | { type: 'normal'; mean: number; stddev: number }
  | { type: 'uniform'; low: number; high: number }
  | {
      type: 'xavier_normal' | 'xavier_uniform' | 'he_normal' | 'he_uniform' | 'lecun_normal' | 'lecun_uniform';
      gain: number;
    };

export interface Fan {
  fanIn: number;
  fanOut: number;
}

/** Standard deviation of the scaled initialisers. */
export function scaledDeviation(type: string, gain: number, { fanIn, fanOut }: Fan): number {
  if (type.startsWith('xavier')) return gain * Math.sqrt(2 / (fanIn + fanOut));
  if (type.startsWith('he')) return gain * Math.sqrt(2 / fanIn);
  return gain * Math.sqrt(1 / fanIn);
}

/** Fills `n` values at `address`; the draw depends on (seed, stream) alone. */
export function initialize(
  kernels: Kernels,
  view: Float32Array,
  address: number,
  initializer: InitializerDescription,
  fan: Fan,
  seed: Seed,
  stream: number,
): void {
  const n = view.length;
  const normal = (mean: number, deviation: number) =>
    kernels.randomNormal(address, n, 0, mean, deviation, seed.low, seed.high, stream, 0, 0);
  const uniform = (low: number, high: number) =>
    kernels.randomUniform(address, n, 0, low, high, seed.low, seed.high, stream, 0, 0);
  switch (initializer.type) {
    case 'zeros':
      view.fill(0);
      break;
    case 'ones':
      view.fill(1);
      break;
    case 'constant':
      view.fill(initializer.value);
      break;
    case 'values':
      if (initializer.values.length !== n)
        throw new Error(`${initializer.values.length} initial values for ${n} places`);
      view.set(initializer.values);
      break;
    case 'normal':
      normal(initializer.mean, initializer.stddev);
      break;
    case 'uniform':
      uniform(initializer.low, initializer.high);
      break;
    default: {
      const deviation = scaledDeviation(initializer.type, initializer.gain, fan);
      if (initializer.type.endsWith('_normal')) normal(0, deviation);
      else uniform(-deviation * Math.sqrt(3), deviation * Math.sqrt(3));
    }
  }
}
