import { describe, expect, it } from 'vitest';
import { type KernelName, ValueLoss } from '../../src/engine/kernels/abi.ts';
import {
  geluErfOf,
  geluErfSlopeOf,
  geluTanhOf,
  mishOf,
  sigmoidOf,
  siluOf,
  softplusOf,
} from '../../src/engine/kernels/naive/scalar.ts';
import { Bench, WASM_BUILDS } from './builds.ts';

const N = 100_000;
const MIN_NORMAL = 2 ** -126;

/** Distance between neighbouring f32 around x. */
function ulpOf(x: number): number {
  return 2 ** (Math.floor(Math.log2(Math.max(Math.abs(x), MIN_NORMAL))) - 23);
}

function worstUlp(build: (typeof WASM_BUILDS)[number], kernel: KernelName, xs: Float32Array, f: (x: number) => number) {
  const bench = new Bench(build);
  const x = bench.floats(xs);
  const y = bench.room(xs.length);
  bench.call(kernel, x, y, xs.length, 1);
  const actual = bench.read(y, xs.length);
  let worst = 0;
  for (let i = 0; i < xs.length; i++) {
    const expected = f(xs[i]);
    worst = Math.max(worst, Math.abs(actual[i] - expected) / ulpOf(expected));
  }
  return worst;
}

/** Evenly spaced, with a step that is no power of two. */
function spread(low: number, high: number): Float32Array {
  return Float32Array.from({ length: N }, (_, i) => low + ((high - low) * (i + 0.37)) / N);
}

/** Every magnitude from 2^low to 2^high alike. */
function spreadMagnitudes(low: number, high: number): Float32Array {
  return Float32Array.from({ length: N }, (_, i) => 2 ** (low + ((high - low) * (i + 0.37)) / N));
}

const signed = (xs: Float32Array) => xs.map((x, i) => (i % 2 ? x : -x));

/** Errors in units in the last place, for every function over its range: the figures stated in wasm/math.ts. */
describe.each(WASM_BUILDS)('%s', (build) => {
  it.each<[KernelName, string, Float32Array, (x: number) => number, number]>([
    ['exp', '−87…88.7', spread(-87, 88.7), Math.exp, 1.1],
    ['exp', 'small', signed(spreadMagnitudes(-30, 1)), Math.exp, 1.1],
    ['exp', 'subnormal results', spread(-103.9, -87), Math.exp, 1.1],
    ['log', 'all magnitudes', spreadMagnitudes(-149, 128), Math.log, 0.9],
    ['log', 'around 1', spread(0.5, 2), Math.log, 0.9],
    ['sigmoid', '−87…20', spread(-87, 20), sigmoidOf, 2.5],
    ['tanh', '−10…10', spread(-10, 10), Math.tanh, 1.3],
    ['tanh', 'small', signed(spreadMagnitudes(-40, 1)), Math.tanh, 1.3],
    ['geluErf', '−13…6', spread(-13, 6), geluErfOf, 5.5],
    ['geluErf', 'small', signed(spreadMagnitudes(-40, 0)), geluErfOf, 5.5],
    ['geluTanh', '−2…6', spread(-2, 6), geluTanhOf, 5.5],
    ['elu', '−30…0', spread(-30, 0), (x) => Math.expm1(x), 0.9],
    ['elu', 'small', spreadMagnitudes(-60, 1).map((x) => -x), (x) => Math.expm1(x), 0.9],
    ['silu', '−87…20', spread(-87, 20), siluOf, 2.5],
    ['mish', '−87…25', spread(-87, 25), mishOf, 3.6],
    ['softplus', '−87…25', spread(-87, 25), softplusOf, 1.8],
    // the exponent's rounding grows with the exponent
    ['geluTanh', '−10…−2', spread(-10, -2), geluTanhOf, 220],
  ])('%s, %s', (kernel, _range, xs, f, limit) => {
    expect(worstUlp(build, kernel, xs, f)).toBeLessThan(limit);
  });

  it('the slope of gelu is right to 3e-7', () => {
    const xs = spread(-15, 15);
    const bench = new Bench(build);
    const dy = bench.floats(new Float32Array(N).fill(1));
    const dx = bench.room(N);
    bench.call('geluErfGrad', dy, bench.floats(xs), dx, N);
    const actual = bench.read(dx, N);
    const worst = xs.reduce((worst, x, i) => Math.max(worst, Math.abs(actual[i] - geluErfSlopeOf(x))), 0);
    expect(worst).toBeLessThan(3e-7);
  });

  it('binary cross-entropy keeps its precision where the loss is tiny', () => {
    const bench = new Bench(build);
    const loss = bench.room(1);
    for (const x of [5, 12, 20, 40]) {
      bench.call('valueLoss', ValueLoss.binaryEntropy, bench.floats([x]), bench.floats([1]), loss, 1, 1, 1, 0);
      const expected = Math.log1p(Math.exp(-x));
      expect(Math.abs(bench.read(loss, 1)[0] - expected) / expected).toBeLessThan(x < 8 ? 1e-5 : 2e-2);
    }
  });
});
