import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Graph, type Node } from '../../src/engine/graph/graph.ts';
import { chooseKernels } from '../../src/engine/kernels/load.ts';
import { activate } from '../../src/engine/ops/activations.ts';
import { type ConvolutionWindow, conv2d, conv2dTranspose } from '../../src/engine/ops/convolution.ts';
import { dropout } from '../../src/engine/ops/dropout.ts';
import { add, addBias, affine, columnSum, multiply, reshape, subtract } from '../../src/engine/ops/elementwise.ts';
import { matmul } from '../../src/engine/ops/matmul.ts';
import { averagePool2d, maxPool2d, type PoolingWindow } from '../../src/engine/ops/pooling.ts';
import { OP_NAMES, opOf } from '../../src/engine/ops/registry.ts';
import type { Case } from './case.ts';
import { concatenationCases } from './concatenation.ts';
import { Differences, EPSILON, TENSORS } from './differences.ts';
import { fixedCases } from './fixed.ts';
import { lossCases, secondCases } from './losses.ts';
import { movementCases } from './movement.ts';
import { normalizationCases } from './normalization.ts';
import { sequenceCases } from './sequences.ts';

/**
 * Every operation's gradient against (L(x+ε) − L(x−ε)) / 2ε, element by element. The operation stands inside a small network, whose loss
 * makes the gradient that reaches it different for every element.
 */
const seed = { low: 7, high: 9 };
const unary = (name: string, op: string, apply: (graph: Graph, x: Node) => Node): Case => ({
  name,
  ops: [op],
  dims: [7],
  weightDims: [7],
  build: (graph, x, w) => addBias(graph, apply(graph, x), w),
});
const WINDOWS: ConvolutionWindow[] = [
  { kernel: [2, 3], stride: [1, 1], dilation: [1, 1], padding: 'valid' },
  { kernel: [3, 3], stride: [1, 1], dilation: [1, 1], padding: 'same' },
  { kernel: [3, 2], stride: [2, 2], dilation: [1, 1], padding: 'same' },
  { kernel: [2, 2], stride: [1, 1], dilation: [2, 2], padding: 'valid' },
  { kernel: [1, 1], stride: [2, 2], dilation: [1, 1], padding: 'valid' },
  { kernel: [2, 3], stride: [2, 1], dilation: [1, 2], padding: 'same' },
  { kernel: [2, 2], stride: [1, 2], dilation: [2, 1], padding: 'valid' },
  { kernel: [1, 3], stride: [1, 2], dilation: [1, 2], padding: 'causal' },
];
/** channels, filters, groups: one group, several, one for each channel, and one for each with several filters */
const GROUPS = [
  [2, 3, 1],
  [4, 6, 2],
  [3, 3, 3],
  [2, 6, 2],
] as const;
/** The operation `name` of what differentiating y gives, so that its own gradient can be looked at. */
function gradientOf(graph: Graph, y: Node, name: string): Node {
  return opOf(y).gradient!(graph, y, y).find((node) => node?.op === name)!;
}
/** every window in one group, and in one of the others */
const convolutions = WINDOWS.flatMap((window, i) => [0, 1 + (i % 3)].map((at) => ({ window, sizes: GROUPS[at]! })));
const convolutionCases = convolutions.flatMap(({ window, sizes: [channels, filters, groups] }): Case[] => {
  const { kernel, stride, dilation, padding } = window;
  const weightDims = [(kernel[0] * kernel[1] * channels) / groups, filters];
  const sides = `${kernel.join(' × ')}, stride ${stride}, dilation ${dilation}, ${padding}`;
  const label = `${sides}, ${channels} to ${filters} channels in groups: ${groups}`;
  const common = { dims: [4, 5, channels], weightDims };
  const convolve = (graph: Graph, x: Node, w: Node) => conv2d(graph, x, w, window, groups);
  return [
    {
      name: `conv2d ${label}`,
      ops: ['conv2d'],
      ...common,
      build: (graph, x, w) => affine(graph, convolve(graph, x, w), 0.5),
    },
    {
      name: `conv2dInputGrad ${label}`,
      ops: ['conv2dInputGrad'],
      ...common,
      build: (graph, x, w) => affine(graph, gradientOf(graph, convolve(graph, x, w), 'conv2dInputGrad'), 0.05),
    },
    {
      name: `conv2dWeightGrad ${label}`,
      ops: ['conv2dWeightGrad'],
      ...common,
      build: (graph, x, w) => {
        const dw = affine(graph, gradientOf(graph, convolve(graph, x, w), 'conv2dWeightGrad'), 0.01);
        return affine(graph, convolve(graph, x, dw), 0.2);
      },
    },
  ];
});

/** (2, 3, 2) to 3 channels; the gradient of a transposed convolution is a convolution, whose own gradient is looked at above */
const TRANSPOSED: ConvolutionWindow[] = [
  { kernel: [2, 3], stride: [2, 1], dilation: [1, 1], padding: 'valid' },
  { kernel: [3, 2], stride: [2, 2], dilation: [1, 2], padding: 'same' },
];
const transposedCases = TRANSPOSED.map((window): Case => {
  const { kernel, stride, dilation, padding } = window;
  return {
    name: `conv2dTranspose ${kernel.join(' × ')}, stride ${stride}, dilation ${dilation}, ${padding}`,
    ops: ['conv2dInputGrad'],
    dims: [2, 3, 2],
    weightDims: [kernel[0] * kernel[1] * 3, 2],
    build: (graph, x, w) => conv2dTranspose(graph, x, w, window),
  };
});
const transposedInGroups: Case[] = [2, 4].map((groups) => ({
  name: `conv2dTranspose in groups: ${groups}, lines more`,
  ops: ['conv2dInputGrad'],
  dims: [2, 3, 4],
  weightDims: [(2 * 3 * 4) / groups, 4],
  build: (graph, x, w) => {
    const window = { kernel: [2, 3], stride: [2, 2], dilation: [1, 1], padding: 'valid' } as const;
    return conv2dTranspose(graph, x, w, window, groups, [1, 0]);
  },
}));

const POOLS: PoolingWindow[] = [
  { size: [2, 2], stride: [2, 2] },
  { size: [3, 3], stride: [1, 1] },
  { size: [2, 2], stride: [1, 1] },
  { size: [1, 3], stride: [2, 1] },
  { size: [4, 5], stride: [1, 1] },
];

const CASES: Case[] = [
  ...secondCases,
  ...fixedCases,
  ...concatenationCases,
  ...movementCases,
  ...sequenceCases,
  ...normalizationCases,
  ...convolutionCases,
  ...transposedCases,
  ...transposedInGroups,
  ...POOLS.map((window) => ({
    name: `maxPool2d ${window.size.join(' × ')}, stride ${window.stride}`,
    ops: ['maxPool2d'],
    dims: [4, 5, 2],
    weightDims: [2],
    build: (graph: Graph, x: Node, w: Node) => addBias(graph, maxPool2d(graph, x, window), w),
    apart: true,
  })),
  {
    name: 'averagePool2d',
    ops: ['averagePool2d'],
    dims: [4, 5, 2],
    weightDims: [2],
    build: (graph, x, w) =>
      addBias(graph, affine(graph, averagePool2d(graph, x, { size: [2, 3], stride: [1, 2] }), 3), w),
  },
  {
    // its own gradient is the pooling again
    name: 'averagePool2dGrad',
    ops: ['averagePool2dGrad'],
    dims: [4, 5, 2],
    weightDims: [2],
    build: (graph, x, w) => {
      const y = averagePool2d(graph, x, { size: [2, 2], stride: [2, 1] });
      return addBias(graph, affine(graph, opOf(y).gradient!(graph, y, y)[0]!, 9), w);
    },
  },
  { name: 'matmul', ops: ['matmul'], dims: [6], weightDims: [6, 4], build: (graph, x, w) => matmul(graph, x, w) },
  {
    name: 'matmul of a sequence',
    ops: ['matmul'],
    dims: [3, 6],
    weightDims: [6, 4],
    build: (graph, x, w) => matmul(graph, x, w),
  },
  {
    // x·wᵀ arises as a gradient; here it is built by hand, so that its own gradient is looked at
    name: 'matmulTransposed',
    ops: ['matmulTransposed'],
    dims: [4],
    weightDims: [6, 4],
    build: (graph, x, w) => graph.add('matmulTransposed', [x, w], { batched: true, dims: [6] }),
  },
  {
    name: 'outerSum',
    ops: ['outerSum'],
    dims: [4],
    weightDims: [4, 3],
    build: (graph, x, w) =>
      matmul(graph, x, graph.add('outerSum', [x, matmul(graph, x, w)], { batched: false, dims: [4, 3] })),
  },
  {
    name: 'add',
    ops: ['add'],
    dims: [7],
    weightDims: [7],
    build: (graph, x, w) => add(graph, x, addBias(graph, multiply(graph, x, x), w)),
  },
  {
    name: 'subtract',
    ops: ['subtract'],
    dims: [7],
    weightDims: [7],
    build: (graph, x, w) => subtract(graph, addBias(graph, x, w), multiply(graph, x, x)),
  },
  {
    name: 'multiply',
    ops: ['multiply'],
    dims: [7],
    weightDims: [7],
    build: (graph, x, w) => multiply(graph, addBias(graph, x, w), x),
  },
  unary('affine', 'affine', (graph, x) => affine(graph, x, -1.5, 0.3)),
  { name: 'addBias', ops: ['addBias'], dims: [7], weightDims: [7], build: (graph, x, w) => addBias(graph, x, w) },
  {
    name: 'columnSum',
    ops: ['columnSum'],
    dims: [5],
    weightDims: [5],
    build: (graph, x, w) => addBias(graph, addBias(graph, x, w), columnSum(graph, x)),
  },
  {
    name: 'reshape',
    ops: ['reshape'],
    dims: [2, 3],
    weightDims: [6],
    build: (graph, x, w) => addBias(graph, reshape(graph, x, 6), w),
  },
  unary('relu', 'relu', (graph, x) => activate(graph, x, { type: 'relu' })),
  unary('leaky_relu', 'leakyRelu', (graph, x) => activate(graph, x, { type: 'leaky_relu', alpha: 0.2 })),
  unary('sigmoid', 'sigmoid', (graph, x) => activate(graph, x, { type: 'sigmoid' })),
  unary('tanh', 'tanh', (graph, x) => activate(graph, x, { type: 'tanh' })),
  unary('gelu', 'geluErf', (graph, x) => activate(graph, x, { type: 'gelu', approximate: 'none' })),
  unary('gelu (tanh)', 'geluTanh', (graph, x) => activate(graph, x, { type: 'gelu', approximate: 'tanh' })),
  unary('elu', 'elu', (graph, x) => activate(graph, x, { type: 'elu', alpha: 0.7 })),
  unary('selu', 'selu', (graph, x) => activate(graph, x, { type: 'selu' })),
  unary('silu', 'silu', (graph, x) => activate(graph, x, { type: 'silu' })),
  unary('mish', 'mish', (graph, x) => activate(graph, x, { type: 'mish' })),
  unary('softplus', 'softplus', (graph, x) => activate(graph, x, { type: 'softplus' })),
  unary('softsign', 'softsign', (graph, x) => activate(graph, x, { type: 'softsign' })),
  // widened, so that values lie on every piece
  unary('hard_sigmoid', 'hardSigmoid', (graph, x) => activate(graph, affine(graph, x, 6), { type: 'hard_sigmoid' })),
  unary('hard_tanh', 'hardTanh', (graph, x) => activate(graph, affine(graph, x, 2), { type: 'hard_tanh' })),
  unary('hard_silu', 'hardSilu', (graph, x) =>
    affine(graph, activate(graph, affine(graph, x, 6), { type: 'hard_silu' }), 0.2),
  ),
  unary('relu6', 'relu6', (graph, x) => affine(graph, activate(graph, affine(graph, x, 12), { type: 'relu6' }), 0.1)),
  unary('log_softmax', 'logSoftmax', (graph, x) => activate(graph, x, { type: 'log_softmax' })),
  unary('softmax', 'softmax', (graph, x) => affine(graph, activate(graph, x, { type: 'softmax' }), 5)),
  unary('dropout', 'dropout', (graph, x) => dropout(graph, x, 0.4, seed, 3)),
  ...lossCases,
];

describe('gradients against central differences', () => {
  const { compiled } = chooseKernels();
  let differences: Differences;
  beforeAll(() => {
    differences = new Differences(compiled, CASES, 2);
  });
  afterAll(() => differences.close());

  it.each(CASES.map(({ name }, i) => ({ name, i })))('$name', ({ i }) => {
    const gradients = differences.gradients(i);
    for (const name of TENSORS) {
      const values = differences.values(i, name);
      const analytic = gradients[name]!;
      for (let e = 0; e < values.length; e++) {
        const held = values[e]!;
        values[e] = held + EPSILON;
        const above = differences.loss(i);
        values[e] = held - EPSILON;
        const below = differences.loss(i);
        values[e] = held;
        const numeric = (above - below) / (2 * EPSILON);
        expect(Math.abs(analytic[e]! - numeric), `${name}[${e}]: ${analytic[e]} against ${numeric}`).toBeLessThan(
          2e-3 * Math.max(1, Math.abs(numeric)),
        );
      }
      expect(analytic.some((g) => g !== 0)).toBe(true);
    }
  });

  it('covers every operation that has a gradient', () => {
    const graph = new Graph();
    const covered = new Set([...CASES.flatMap((c) => c.ops), 'gather']);
    const differentiable = OP_NAMES.filter(
      (name) => opOf(graph.add(name, [], { batched: false, dims: [] })).gradient !== undefined,
    );
    expect(differentiable.filter((name) => !covered.has(name))).toEqual([]);
  });
});
