import { describe, expect, it } from 'vitest';
import { type KernelName, ValueLoss } from '../../src/engine/kernels/abi.ts';
import { ACTIVATIONS, ALL_BUILDS, Bench } from './builds.ts';

const N = 203;

/** [begin, count] of parts that begin anywhere */
const SPLITS: [number, number][][] = [
  [
    [0, 1],
    [1, 100],
    [101, 102],
  ],
  [
    [0, 66],
    [66, 3],
    [69, 134],
  ],
  Array.from({ length: N }, (_, i) => [i, 1]),
];

interface Split {
  kernel: KernelName;
  /** arguments for elements [begin, begin + count) */
  args: (begin: number, count: number) => number[];
}

describe.each(ALL_BUILDS)('%s kernels give the same bits', (build) => {
  const bench = new Bench(build);
  const a = bench.random(N, -6, 6);
  const b = bench.random(N);
  const m = bench.random(N);
  const v = bench.random(N, 0, 1);
  const w = bench.random(N);
  const table = bench.random(4 * N);
  const y = bench.room(N);
  const step = bench.words([0, 0, 9, 0, 0]);
  const hyper = bench.floats([0.01, 0.1, 0.271, 0.003, 0.02, 0.03, 1]);

  const unary = ['copy', ...ACTIVATIONS, 'exp', 'log'] as const;
  const binary = ['add', 'sub', 'mul', ...ACTIVATIONS.map((name) => `${name}Grad` as const)] as const;
  const splits: Split[] = [
    ...unary.map((kernel): Split => ({ kernel, args: (i, n) => [a + 4 * i, y + 4 * i, n] })),
    ...binary.map((kernel): Split => ({ kernel, args: (i, n) => [a + 4 * i, b + 4 * i, y + 4 * i, n] })),
    { kernel: 'affine', args: (i, n) => [a + 4 * i, y + 4 * i, n, 0.3, 0.7] },
    ...(['leakyRelu', 'elu'] as const).flatMap((kernel): Split[] => [
      { kernel, args: (i, n) => [a + 4 * i, y + 4 * i, n, 0.3] },
      { kernel: `${kernel}Grad`, args: (i, n) => [a + 4 * i, b + 4 * i, y + 4 * i, n, 0.3] },
    ]),
    { kernel: 'clipValue', args: (i, n) => [a + 4 * i, y + 4 * i, n, 0.3] },
    { kernel: 'dropout', args: (i, n) => [a + 4 * i, y + 4 * i, n, i + 6, 0.4, 1, 2, 3, step] },
    { kernel: 'randomUniform', args: (i, n) => [y + 4 * i, n, i + 6, -1, 1, 1, 2, 3, 4, 5] },
    { kernel: 'randomNormal', args: (i, n) => [y + 4 * i, n, i + 6, -1, 1, 1, 2, 3, 4, 5] },
    { kernel: 'sgdUpdate', args: (i, n) => [y + 4 * i, b + 4 * i, n, hyper] },
    { kernel: 'momentumUpdate', args: (i, n) => [y + 4 * i, b + 4 * i, m + 4 * i, n, 0.9, 1, hyper] },
    {
      kernel: 'adamUpdate',
      args: (i, n) => [y + 4 * i, b + 4 * i, m + 4 * i, v + 4 * i, n, 0.9, 0.999, 1e-8, 0, hyper],
    },
    {
      kernel: 'amsgradUpdate',
      args: (i, n) => [y + 4 * i, b + 4 * i, m + 4 * i, v + 4 * i, w + 4 * i, n, 0.9, 0.999, 1e-8, 1, hyper],
    },
    ...(['adamaxUpdate', 'nadamUpdate', 'radamUpdate'] as const).map(
      (kernel): Split => ({
        kernel,
        args: (i, n) => [y + 4 * i, b + 4 * i, m + 4 * i, v + 4 * i, n, 0.9, 0.999, 1e-8, hyper],
      }),
    ),
    { kernel: 'lionUpdate', args: (i, n) => [y + 4 * i, b + 4 * i, m + 4 * i, n, 0.9, 0.99, hyper] },
    {
      kernel: 'lambDirection',
      args: (i, n) => [a + 4 * i, b + 4 * i, m + 4 * i, v + 4 * i, w + 4 * i, n, 0.9, 0.999, 1e-6, hyper],
    },
    { kernel: 'lambUpdate', args: (i, n) => [y + 4 * i, b + 4 * i, n, v, v + 16, 9, hyper] },
    { kernel: 'adagradUpdate', args: (i, n) => [y + 4 * i, b + 4 * i, v + 4 * i, n, 0.1, 1e-10, hyper] },
    { kernel: 'adadeltaUpdate', args: (i, n) => [y + 4 * i, b + 4 * i, m + 4 * i, v + 4 * i, n, 0.9, 2, hyper] },
    {
      kernel: 'rmspropUpdate',
      args: (i, n) => [y + 4 * i, b + 4 * i, v + 4 * i, m + 4 * i, w + 4 * i, n, 0.99, 1e-8, 0.9, hyper],
    },
    { kernel: 'columnSum', args: (i, n) => [table + 4 * i, N, y + 4 * i, 4, n] },
  ];
  const state = [y, m, v, w];
  const begin = state.map((pointer) => bench.read(pointer, N));
  function restore(): void {
    for (const [i, pointer] of state.entries()) bench.f32.set(begin[i], pointer / 4);
  }
  const outcome = () => state.map((pointer) => bench.readBits(pointer, N));

  it.each(splits)('for every split of its elements: $kernel', ({ kernel, args }) => {
    restore();
    bench.call(kernel, ...args(0, N));
    const whole = outcome();
    for (const parts of SPLITS) {
      restore();
      for (const [i, n] of parts) bench.call(kernel, ...args(i, n));
      expect(outcome()).toEqual(whole);
    }
  });

  const [rows, cols] = [7, 29];
  const labels = bench.words(Array.from({ length: rows }, (_, r) => (r * 5) % cols));
  const gradients = bench.random(rows);
  const out = bench.room(rows * cols);
  const at = (pointer: number, r: number) => pointer + 4 * r * cols;
  const byRow: { kernel: KernelName; args: (r: number, count: number) => number[] }[] = [
    { kernel: 'softmax', args: (r, n) => [at(a, r), at(out, r), n, cols] },
    { kernel: 'softmaxGrad', args: (r, n) => [at(a, r), at(b, r), at(out, r), n, cols] },
    { kernel: 'logSoftmax', args: (r, n) => [at(a, r), at(out, r), n, cols] },
    { kernel: 'logSoftmaxGrad', args: (r, n) => [at(a, r), at(b, r), at(out, r), n, cols] },
    ...[0, 0.1].flatMap((smoothing): typeof byRow => [
      {
        kernel: 'softmaxCrossEntropy',
        args: (r, n) => [at(a, r), labels + 4 * r, v, out + 4 * r, n, 1, cols, 5, smoothing],
      },
      {
        kernel: 'softmaxCrossEntropyGrad',
        args: (r, n) => [at(a, r), labels + 4 * r, v, gradients + 4 * r, at(out, r), n, 1, cols, 5, smoothing],
      },
    ]),
    ...Object.values(ValueLoss).flatMap((code): typeof byRow => [
      { kernel: 'valueLoss', args: (r, n) => [code, at(a, r), at(b, r), out + 4 * r, n, cols, 0.5, 2] },
      {
        kernel: 'valueLossGrad',
        args: (r, n) => [code, at(a, r), at(b, r), gradients + 4 * r, at(out, r), n, cols, 0.5, 2],
      },
      {
        kernel: 'valueLossBend',
        args: (r, n) => [code, at(a, r), at(b, r), gradients + 4 * r, at(a, r), at(out, r), n, cols, 0.5, 2],
      },
    ]),
    ...(['divergence', 'cosineLoss'] as const).flatMap((kernel): typeof byRow => [
      { kernel, args: (r, n) => [at(a, r), at(b, r), out + 4 * r, n, cols] },
      { kernel: `${kernel}Grad`, args: (r, n) => [at(a, r), at(b, r), gradients + 4 * r, at(out, r), n, cols] },
    ]),
    ...(['focalCrossEntropy', 'marginLoss'] as const).flatMap((kernel): typeof byRow => [
      { kernel, args: (r, n) => [at(a, r), labels + 4 * r, v, out + 4 * r, n, 1, cols, 5, 1.5, 2] },
      {
        kernel: `${kernel}Grad`,
        args: (r, n) => [at(a, r), labels + 4 * r, v, gradients + 4 * r, at(out, r), n, 1, cols, 5, 1.5, 2],
      },
    ]),
  ];

  it.each(byRow)('for every split of its rows: $kernel', ({ kernel, args }) => {
    bench.call(kernel, ...args(0, rows));
    const whole = bench.readBits(out, rows * cols);
    for (const parts of [[[0, 3] as const, [3, 4] as const], Array.from({ length: rows }, (_, r) => [r, 1] as const)]) {
      for (const [r, n] of parts) bench.call(kernel, ...args(r, n));
      expect(bench.readBits(out, rows * cols)).toEqual(whole);
    }
  });

  it('for every split of its chunks: sumSquaresChunks', () => {
    bench.call('sumSquaresChunks', a, N, 20, 0, 11, out);
    const whole = bench.readBits(out, 11);
    for (let i = 0; i < 11; i++) bench.call('sumSquaresChunks', a, N, 20, i, 1, out);
    expect(bench.readBits(out, 11)).toEqual(whole);
  });
});
