import { describe, expect, it } from 'vitest';
import {
  Activation,
  GEMM_SCRATCH_BYTES,
  type KernelName,
  NO_LABEL,
  PairLoss,
  ValueLoss,
} from '../../src/engine/kernels/abi.ts';
import { ACTIVATIONS, ALL_BUILDS, Bench, createMemory, instantiateBuild, WASM_BUILDS } from './builds.ts';

const N = 45;

describe.each(ALL_BUILDS)('%s kernels find what is not finite', (build) => {
  it('wherever it stands in a row, and in that row alone', () => {
    const bench = new Bench(build);
    const y = bench.room(3);
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      for (let place = 0; place < N; place++) {
        const values: number[] = Array.from({ length: 3 * N }, (_, i) => (i % 2 === 0 ? 3e38 : -1e-45));
        values[N + place] = value;
        bench.call('notFinite', bench.floats(values), y, 3, N);
        expect([...bench.read(y, 3)]).toEqual([0, Number.NaN, 0]);
      }
    }
  });
});

describe.each(ALL_BUILDS)('%s kernels in place', (build) => {
  const names: KernelName[] = ['copy', ...ACTIVATIONS, 'exp'];
  it.each(names)('%s over its input', (kernel) => {
    const bench = new Bench(build);
    const x = bench.random(N, -5, 5);
    const y = bench.room(N);
    bench.call(kernel, x, y, N);
    bench.call(kernel, x, x, N);
    expect(bench.readBits(x, N)).toEqual(bench.readBits(y, N));
  });

  const binary: KernelName[] = ['add', 'sub', 'mul', ...ACTIVATIONS.map((name) => `${name}Grad` as const)];
  it.each(binary)('%s over either input, and over the same input twice', (kernel) => {
    const bench = new Bench(build);
    const [a, b] = [bench.random(N), bench.random(N)];
    const [a2, b2] = [bench.floats(bench.read(a, N)), bench.floats(bench.read(b, N))];
    const y = bench.room(N);
    bench.call(kernel, a, b, y, N);
    bench.call(kernel, a2, b, a2, N);
    bench.call(kernel, a, b2, b2, N);
    expect(bench.readBits(a2, N)).toEqual(bench.readBits(y, N));
    expect(bench.readBits(b2, N)).toEqual(bench.readBits(y, N));
    bench.call(kernel, a, a, y, N);
    bench.call(kernel, a, a, a, N);
    expect(bench.readBits(a, N)).toEqual(bench.readBits(y, N));
  });

  it('softmax, cross-entropy gradient, dropout and others', () => {
    const bench = new Bench(build);
    const labels = bench.words([1, 2, 0]);
    const gradients = bench.floats([1, 0.5, 2]);
    const step = bench.words([3, 0, 1, 0]);
    const calls: [KernelName, (x: number, y: number) => number[]][] = [
      ['softmax', (x, y) => [x, y, 3, 15]],
      ['logSoftmax', (x, y) => [x, y, 3, 15]],
      ['softmaxCrossEntropyGrad', (x, y) => [x, labels, 0, gradients, y, 3, 1, 15, NO_LABEL, 0]],
      ['valueLossGrad', (x, y) => [ValueLoss.squared, x, gradients, gradients, y, 1, 3, 0, 0]],
      ['mulChannels', (x, y) => [x, gradients, y, 1, 15, 3]],
      ['dropout', (x, y) => [x, y, N, 2, 0.5, 1, 2, 3, step]],
    ];
    for (const [kernel, args] of calls) {
      const x = bench.random(N);
      const y = bench.floats(bench.read(x, N));
      bench.call(kernel, ...args(x, y));
      bench.call(kernel, ...args(x, x));
      expect(bench.readBits(x, N)).toEqual(bench.readBits(y, N));
    }
  });
});

describe.each(ALL_BUILDS)('%s kernels and non-finite numbers', (build) => {
  const { NaN: nan, POSITIVE_INFINITY: inf } = Number;

  /** f of one number, at every place of a vector and of the tail */
  function apply(kernel: KernelName, value: number, ...rest: number[]): number {
    const bench = new Bench(build, 65536);
    const x = bench.floats(Array.from({ length: 15 }, () => value));
    const y = bench.room(15);
    bench.call(kernel, x, y, 15, ...rest);
    const results = new Set(bench.read(y, 15));
    expect(results.size).toBe(1);
    return [...results][0];
  }

  const unary: KernelName[] = [...ACTIVATIONS, 'leakyRelu', 'elu', 'exp', 'log', 'clipValue'];
  it.each(unary)('%s of NaN is NaN', (kernel) => {
    expect(apply(kernel, nan, 0.1)).toBeNaN();
  });

  it.each<[KernelName, number, number]>([
    ['relu', inf, inf],
    ['relu', -inf, 0],
    ['leakyRelu', -inf, -inf],
    ['sigmoid', inf, 1],
    ['sigmoid', -inf, 0],
    ['tanh', inf, 1],
    ['tanh', -inf, -1],
    ['geluErf', inf, inf],
    ['geluTanh', inf, inf],
    ['elu', inf, inf],
    ['elu', -inf, -Math.fround(0.1)],
    ['selu', inf, inf],
    ['selu', -inf, Math.fround(-1.0507009873554805 * 1.6732632423543772)],
    ['silu', inf, inf],
    ['mish', inf, inf],
    ['hardSilu', inf, inf],
    ['softplus', inf, inf],
    ['softplus', -inf, 0],
    ['hardSigmoid', inf, 1],
    ['hardSigmoid', -inf, 0],
    ['hardTanh', inf, 1],
    ['hardTanh', -inf, -1],
    ['relu6', inf, 6],
    ['relu6', -inf, 0],
    ['exp', inf, inf],
    ['exp', -inf, 0],
    ['exp', 88.8, inf],
    ['exp', -104, 0],
    ['log', inf, inf],
    ['log', 0, -inf],
    ['log', -0, -inf],
    ['log', -1, nan],
    ['log', -inf, nan],
    ['clipValue', inf, Math.fround(0.1)],
    ['clipValue', -inf, -Math.fround(0.1)],
  ])('%s of %d is %d', (kernel, x, expected) => {
    expect(apply(kernel, x, 0.1)).toEqual(expected);
  });

  it('gradients carry NaN', () => {
    const bench = new Bench(build, 65536);
    const [bad, good] = [bench.floats([nan]), bench.floats([0.5])];
    const dx = bench.room(1);
    for (const kernel of [...ACTIVATIONS, 'leakyRelu', 'elu'] as const) {
      bench.call(`${kernel}Grad`, bad, good, dx, 1, 0.1);
      expect(bench.read(dx, 1)[0]).toBeNaN();
    }
    // the slope is 0 or 1 there, not 0·∞
    for (const kernel of ['geluErfGrad', 'geluTanhGrad', 'siluGrad', 'mishGrad', 'hardSiluGrad'] as const) {
      bench.call(kernel, good, bench.floats([inf]), dx, 1);
      expect(bench.read(dx, 1)[0]).toBe(0.5);
      bench.call(kernel, good, bench.floats([-inf]), dx, 1);
      expect(bench.read(dx, 1)[0]).toBeCloseTo(0, 30);
    }
  });

  it('updates carry NaN from the gradient into the parameter, at every place', () => {
    const hyper = [0.01, 0.1, 0.271, 0.003, 0.02, 0.03, 1];
    const betas = [0.9, 0.999, 1e-8];
    /** state tensors, constants */
    const updates: [KernelName, number, number[]][] = [
      ['sgdUpdate', 0, []],
      ['momentumUpdate', 1, [0.9, 1]],
      ['adagradUpdate', 1, [0.1, 1e-10]],
      ['adadeltaUpdate', 2, [0.9, 1e-6]],
      ['rmspropUpdate', 3, [0.99, 1e-8, 0.9]],
      ['adamUpdate', 2, [...betas, 1]],
      ['amsgradUpdate', 3, [...betas, 0]],
      ['adamaxUpdate', 2, betas],
      ['nadamUpdate', 2, betas],
      ['radamUpdate', 2, betas],
      ['lionUpdate', 1, [0.9, 0.99]],
    ];
    for (const [kernel, states, constants] of updates) {
      const bench = new Bench(build, 65536);
      const p = bench.floats(Array.from({ length: 15 }, () => 0.5));
      const g = bench.floats(Array.from({ length: 15 }, (_, i) => (i % 3 === 0 ? nan : 0.25)));
      const state = Array.from({ length: states }, () => bench.room(15));
      bench.call(kernel, p, g, ...state, 15, ...constants, bench.floats(hyper));
      const bad = Array.from(bench.read(p, 15), Number.isNaN);
      expect(bad, kernel).toEqual(bad.map((_, i) => i % 3 === 0));
    }
  });

  it('losses carry NaN, and a label outside the row makes it', () => {
    const bench = new Bench(build, 65536);
    const x = bench.floats([1, nan, 2, 1, 0, 2]);
    const t = bench.floats([1, 0, 1, 0, 1, 0]);
    const loss = bench.room(2);
    const [dloss, dx] = [bench.floats([1, 1]), bench.room(6)];
    for (const [name, code] of Object.entries(ValueLoss)) {
      bench.call('valueLoss', code, x, t, loss, 2, 3, 0.6, 0.5);
      expect(bench.read(loss, 2)[0], name).toBeNaN();
      expect(bench.read(loss, 2)[1], name).toBeGreaterThan(0);
      bench.call('valueLossGrad', code, x, t, dloss, dx, 2, 3, 0.6, 0.5);
      expect(Array.from(bench.read(dx, 6), Number.isNaN), name).toEqual([false, true, false, false, false, false]);
    }
    for (const kernel of ['divergence', 'cosineLoss'] as const) {
      bench.call(kernel, x, t, loss, 2, 3);
      expect(bench.read(loss, 2)[0], kernel).toBeNaN();
      expect(bench.read(loss, 2)[1], kernel).toBeGreaterThan(0);
      bench.call(`${kernel}Grad`, x, t, dloss, dx, 2, 3);
      expect([...bench.read(dx, 3)].every(Number.isNaN), kernel).toBe(true);
    }
    for (const kernel of ['focalCrossEntropy', 'marginLoss'] as const) {
      // a NaN beside the label, a label outside the row
      bench.call(kernel, x, bench.words([0, 3]), 0, loss, 2, 1, 3, NO_LABEL, 1, 1);
      expect([...bench.read(loss, 2)], kernel).toEqual([nan, nan]);
      bench.call(`${kernel}Grad`, x, bench.words([0, 3]), 0, dloss, dx, 2, 1, 3, NO_LABEL, 1, 1);
      expect(Array.from(bench.read(dx, 6), Number.isNaN).filter(Boolean).length, kernel).toBeGreaterThan(3);
    }
    for (const code of Object.values(PairLoss)) {
      const scratch = bench.room(8);
      // rows 0 and 2 hold the NaN's row between them: every row is compared with it
      bench.call('pairLoss', code, bench.floats([1, nan, 2, 1, 0, 2]), bench.words([0, 1, 0]), loss, 3, 2, 1, scratch);
      expect(bench.read(loss, 1)[0], `pairs ${code}`).toBeNaN();
    }
    bench.call('softmaxCrossEntropy', x, bench.words([0, 3]), 0, loss, 2, 1, 3, NO_LABEL, 0);
    expect([...bench.read(loss, 2)]).toEqual([nan, nan]);
    const labels = bench.words([0, -1]);
    bench.call('softmaxCrossEntropyGrad', x, labels, 0, bench.floats([1, 1]), dx, 2, 1, 3, NO_LABEL, 0);
    expect([...bench.read(dx, 6)].every(Number.isNaN)).toBe(true);
    bench.call('correct', x, bench.words([2, 2]), loss, 2, 1, 3, NO_LABEL);
    expect([...bench.read(loss, 2)]).toEqual([0, 1]);
  });

  it('an ignored label has no loss, no gradient, and is not right', () => {
    const bench = new Bench(build, 65536);
    const x = bench.floats([1, 2, 5, 0, 1, 3]);
    const labels = bench.words([2, -100]);
    const [loss, dx] = [bench.room(1), bench.floats([9, 9, 9, 9, 9, 9])];
    bench.call('softmaxCrossEntropy', x, labels, 0, loss, 1, 2, 3, -100, 0.1);
    const both = bench.read(loss, 1)[0]!;
    bench.call('softmaxCrossEntropy', x, labels, 0, loss, 1, 1, 3, -100, 0.1);
    expect(both).toBeCloseTo(bench.read(loss, 1)[0]! / 2, 6);
    bench.call('softmaxCrossEntropyGrad', x, labels, 0, bench.floats([1]), dx, 1, 2, 3, -100, 0.1);
    expect(bench.read(dx, 6).every((value, i) => (value !== 0) === i < 3)).toBe(true);
    bench.call('correct', x, labels, loss, 1, 2, 3, -100);
    expect(bench.read(loss, 1)[0]).toBe(0.5);
    bench.call('correct', x, bench.words([2, 2]), loss, 1, 2, 3, 2);
    expect(bench.read(loss, 1)[0]).toBe(0);
  });

  it('softmax survives large logits and masks of −∞', () => {
    const bench = new Bench(build, 65536);
    const y = bench.room(3);
    bench.call('softmax', bench.floats([1000, -inf, 1000]), y, 1, 3);
    expect([...bench.read(y, 3)]).toEqual([0.5, 0, 0.5]);
    bench.call('logSoftmax', bench.floats([1000, -inf, 1000]), y, 1, 3);
    expect([...bench.read(y, 3)]).toEqual([Math.fround(-Math.LN2), -inf, Math.fround(-Math.LN2)]);
    const loss = bench.room(1);
    bench.call('softmaxCrossEntropy', bench.floats([1000, -1000, 0]), bench.words([1]), 0, loss, 1, 1, 3, NO_LABEL, 0);
    expect(bench.read(loss, 1)[0]).toBe(2000);
  });

  it('clipScale is at most 1 and carries NaN', () => {
    const bench = new Bench(build, 65536);
    const y = bench.room(1);
    bench.call('clipScale', bench.floats([1, 3]), 2, 5, y);
    expect(bench.read(y, 1)[0]).toBe(1);
    bench.call('clipScale', bench.floats([nan, 3]), 2, 5, y);
    expect(bench.read(y, 1)[0]).toBeNaN();
  });
});

describe.each(WASM_BUILDS)('%s kernels at the far end of memory', (build) => {
  // 4 GiB are reserved; only the pages that are touched count
  const memory = createMemory(2 ** 32);
  const kernels = instantiateBuild(build, memory);
  const end = 2 ** 32;

  it('read and write above 2 GiB, up to the last byte', () => {
    for (const n of [1, 7, 8, 21]) {
      const [x, y] = [3 * 2 ** 30 + 4, end - 4 * n];
      const values = Float32Array.from({ length: n }, (_, i) => i - 3.5);
      new Float32Array(memory.buffer, x, n).set(values);
      kernels.relu(x, y, n);
      expect(new Float32Array(memory.buffer, y, n)).toEqual(values.map((value) => Math.max(0, value)));
      kernels.randomUniform(y, n, 5, 0, 1, 1, 2, 3, 4, 5);
      expect(Math.max(...new Float32Array(memory.buffer, y, n))).toBeLessThan(1);
      kernels.adamUpdate(y, x, x, y, n, 0.9, 0.999, 1e-8, 0, x);
      kernels.columnSum(y, n, x, 1, n);
    }
  });

  it('multiply matrices that end with the memory', () => {
    const [m, n, k] = [6, 18, 7];
    const [a, c, scratch] = [3 * 2 ** 30, 3 * 2 ** 30 + 65536, 3 * 2 ** 30 + 2 ** 20];
    const biasAt = c - 4 * n;
    const b = end - 4 * k * n;
    expect(scratch + GEMM_SCRATCH_BYTES).toBeLessThan(b);
    const far = new Float32Array(memory.buffer);
    for (let i = 0; i < m * k; i++) far[a / 4 + i] = 1;
    for (let i = 0; i < k * n; i++) far[b / 4 + i] = 1;
    for (const flags of [0, 1, 2, 3]) {
      const [lda, ldb] = [flags & 1 ? m : k, flags & 2 ? k : n];
      kernels.gemm(flags, m, n, k, a, lda, b, ldb, c, n, biasAt, Activation.none, 0, scratch);
      expect(new Set(far.subarray(c / 4, c / 4 + m * n))).toEqual(new Set([k]));
      // A at the end too: its narrow transposed form is read where it lies
      kernels.gemm(flags, k, n, m, end - 4 * k * m, flags & 1 ? k : m, a, ldb, c, n, 0, 0, 0, scratch);
    }
  });
});
