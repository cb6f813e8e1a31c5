import fc from 'fast-check';
import type { Graph, Node } from '../../src/engine/graph/graph.ts';
import { type ActivationDescription, activate } from '../../src/engine/ops/activations.ts';
import { crossAttention, rotary, selfAttention } from '../../src/engine/ops/attention.ts';
import { columns, concatenate } from '../../src/engine/ops/concatenate.ts';
import { conv2d, conv2dTranspose } from '../../src/engine/ops/convolution.ts';
import { dropout, dropRows, scaleSteps, spatialDropout } from '../../src/engine/ops/dropout.ts';
import { add, addBias, affine, columnSum, multiply, reshape, subtract } from '../../src/engine/ops/elementwise.ts';
import { embed } from '../../src/engine/ops/embedding.ts';
import { atLeast, differs, keepSteps, reciprocal } from '../../src/engine/ops/masks.ts';
import { matmul, matmulTransposed, outerSum } from '../../src/engine/ops/matmul.ts';
import { pad2d, permute, upsample2d } from '../../src/engine/ops/movement.ts';
import { batchNorm, groupNorm, vectorNorm } from '../../src/engine/ops/normalization.ts';
import { averagePool2d, maxPool2d } from '../../src/engine/ops/pooling.ts';
import { recurrent } from '../../src/engine/ops/recurrent.ts';
import { opOf } from '../../src/engine/ops/registry.ts';
import type { Case } from './case.ts';
import {
  fixedAttention,
  fixedBatchScale,
  fixedGroupNorm,
  fixedMaxPool,
  fixedRecurrence,
  fixedVectorNorm,
} from './fixed.ts';
import { lossCases, secondCases } from './losses.ts';

/** Operations inside small networks of any shape. One case stands for every operation in its `ops`. */
export interface Family {
  ops: string[];
  shapes: fc.Arbitrary<Case>;
}

type Build = Case['build'];
const size = (most: number) => fc.integer({ min: 1, max: most });
const product = (dims: readonly number[]) => dims.reduce((all, n) => all * n, 1);
const dimsOf = (most: number) => fc.array(size(most), { minLength: 1, maxLength: 3 });

function family<S>(ops: string[], shapes: fc.Arbitrary<S>, make: (shape: S) => Omit<Case, 'name' | 'ops'>): Family {
  return { ops, shapes: shapes.map((shape) => ({ ...make(shape), name: `${ops[0]} ${JSON.stringify(shape)}`, ops })) };
}

/** x with a bias of its own, so that there is a parameter, through `apply`. */
function onBiased(dims: number[], apply: (graph: Graph, x: Node) => Node): Pick<Case, 'dims' | 'weightDims' | 'build'> {
  return {
    dims,
    weightDims: [dims.at(-1)!],
    build: (graph, x, w) => apply(graph, addBias(graph, x, affine(graph, w, 0.05))),
  };
}

/** The operation of that name among those that the gradient of y is made of. */
function gradientOf(graph: Graph, y: Node, name: string, dy = y): Node {
  return opOf(y).gradient!(graph, y, dy).find((node) => node?.op === name)!;
}

/** Cuts one parameter into tensors. */
function cut(graph: Graph, w: Node, ...shapes: number[][]): Node[] {
  let first = 0;
  return shapes.map((dims) => {
    const part = reshape(graph, columns(graph, w, first, product(dims)), ...dims);
    first += product(dims);
    return part;
  });
}

const unary = (op: string, apply: (graph: Graph, x: Node) => Node) =>
  family([op], dimsOf(9), (dims) => ({
    dims,
    weightDims: [dims.at(-1)!],
    build: (graph, x, w) => addBias(graph, apply(graph, x), w),
  }));
const activations: [string, ActivationDescription, scale?: number][] = [
  ['relu', { type: 'relu' }],
  ['leakyRelu', { type: 'leaky_relu', alpha: 0.2 }],
  ['relu6', { type: 'relu6' }],
  ['elu', { type: 'elu', alpha: 0.7 }],
  ['selu', { type: 'selu' }],
  ['softplus', { type: 'softplus' }],
  ['softsign', { type: 'softsign' }],
  ['sigmoid', { type: 'sigmoid' }],
  ['hardSigmoid', { type: 'hard_sigmoid' }, 2],
  ['tanh', { type: 'tanh' }],
  ['hardTanh', { type: 'hard_tanh' }, 0.9],
  ['geluErf', { type: 'gelu', approximate: 'none' }],
  ['geluTanh', { type: 'gelu', approximate: 'tanh' }],
  ['silu', { type: 'silu' }],
  ['hardSilu', { type: 'hard_silu' }, 2],
  ['mish', { type: 'mish' }],
  ['softmax', { type: 'softmax' }, 2],
  ['logSoftmax', { type: 'log_softmax' }],
];

const convolution = fc.record({
  kernel: fc.tuple(size(3), size(3)),
  stride: fc.tuple(size(2), size(2)),
  dilation: fc.tuple(size(2), size(2)),
  padding: fc.constantFrom('same' as const, 'valid' as const, 'causal' as const),
  image: fc.tuple(fc.integer({ min: 5, max: 6 }), fc.integer({ min: 5, max: 7 })),
  groups: size(3),
  channels: size(2),
  filters: size(2),
});
type Convolution = typeof convolution extends fc.Arbitrary<infer C> ? C : never;
function convolved(
  { image, groups, channels, filters, kernel }: Convolution,
  build: (graph: Graph, x: Node, w: Node) => Node,
) {
  return { dims: [...image, channels * groups], weightDims: [product(kernel) * channels, filters * groups], build };
}

const pool = fc.record({
  image: fc.tuple(fc.integer({ min: 3, max: 6 }), fc.integer({ min: 3, max: 6 }), size(5)),
  size: fc.tuple(size(3), size(3)),
  stride: fc.tuple(size(3), size(3)),
});

const KINDS = [
  ['rnn', 1],
  ['lstm', 4],
  ['gru', 3],
] as const;
const sequence = fc.record({
  kind: fc.constantFrom(...KINDS),
  steps: size(5),
  inputs: size(4),
  width: size(9),
  reverse: fc.boolean(),
  masked: fc.boolean(),
  initial: fc.boolean(),
});
function recurrence({
  kind: [kind, gates],
  steps,
  inputs,
  width,
  reverse,
  masked,
  initial,
}: typeof sequence extends fc.Arbitrary<infer S> ? S : never) {
  const parts = [[inputs, gates * width], [width, gates * width], [gates * width], [width]];
  const states = initial ? (kind === 'lstm' ? 2 : 1) : 0;
  const build: Build = (graph, all, weights) => {
    const [w, u, bias, recurrentBias] = cut(graph, affine(graph, weights, 0.5), ...parts) as [Node, Node, Node, Node];
    const begin = steps * inputs;
    const x = reshape(graph, columns(graph, all, 0, begin), steps, inputs);
    const mask = masked ? atLeast(graph, columns(graph, all, 0, steps), 0) : undefined;
    const given = Array.from({ length: states }, (_, i) => columns(graph, all, begin + i * width, width));
    const more = { recurrentBias: kind === 'gru' ? recurrentBias : undefined, initial: initial ? given : undefined };
    const y = recurrent(graph, kind, { x, w, u, bias, mask, ...more }, reverse);
    return addBias(graph, affine(graph, y, 2), recurrentBias);
  };
  return {
    dims: [steps * inputs + states * width],
    weightDims: [parts.reduce((sum, dims) => sum + product(dims), 0)],
    build,
  };
}

const heads = fc.record({
  steps: size(5),
  others: size(5),
  keyHeads: size(2),
  shared: size(3),
  depth: size(5),
  causal: fc.boolean(),
  masked: fc.boolean(),
  cross: fc.boolean(),
});
function attended({
  steps,
  others,
  keyHeads,
  shared,
  depth,
  causal,
  masked,
  cross,
}: typeof heads extends fc.Arbitrary<infer H> ? H : never) {
  const shape = { heads: keyHeads * shared, keyHeads, depth, causal: causal && !cross };
  const [wide, pair] = [shape.heads * depth, 2 * keyHeads * depth];
  if (!cross) {
    return onBiased([steps, wide + pair], (graph, x) => {
      const mask = masked
        ? atLeast(graph, columns(graph, reshape(graph, x, steps * (wide + pair)), 0, steps), 0)
        : undefined;
      return affine(graph, selfAttention(graph, x, shape, mask), 2);
    });
  }
  return onBiased([steps * wide + others * pair], (graph, x) => {
    const q = reshape(graph, columns(graph, x, 0, steps * wide), steps, wide);
    const memory = reshape(graph, columns(graph, x, steps * wide, others * pair), others, pair);
    const mask = masked ? atLeast(graph, columns(graph, x, 0, others), 0) : undefined;
    return affine(graph, crossAttention(graph, q, memory, shape, mask), 2);
  });
}

const image = fc.tuple(size(4), size(4), size(9));
const edges = fc.record({ top: size(2), bottom: size(2), left: size(2), right: size(2) });
const input = (graph: Graph, dims: readonly number[]) => graph.add('input', [], { batched: true, dims: [...dims] });
const places = fc.record({ image, groups: size(3), width: size(3) });
const pairOf = (graph: Graph, w: Node, width: number) =>
  [columns(graph, w, 0, width), columns(graph, w, width, width)] as const;
/** A step of x (rows, T, C) counts unless its first value is below 0. */
const maskOf = (graph: Graph, x: Node) => reshape(graph, atLeast(graph, columns(graph, x, 0, 1), 0), x.shape.dims[0]!);
const seed = { low: 3, high: 5 };

export const FAMILIES: Family[] = [
  ...activations.map(([op, activation, scale = 1]) =>
    unary(op, (graph, x) => activate(graph, affine(graph, x, scale), activation)),
  ),
  unary('affine', (graph, x) => affine(graph, x, -1.5, 0.3)),
  unary('dropout', (graph, x) => dropout(graph, x, 0.4, seed, 3)),
  unary('reshape', (graph, x) => reshape(graph, reshape(graph, x, product(x.shape.dims)), ...x.shape.dims)),
  unary('maskRows', (graph, x) => dropRows(graph, x, 0.4, seed, 3)),
  unary('maskChannels', (graph, x) => spatialDropout(graph, x, 0.4, seed, 3)),
  family(['add', 'subtract', 'multiply', 'addBias', 'meanRows'], dimsOf(9), (dims) => ({
    ...{ dims, weightDims: [dims.at(-1)!] },
    build: (graph, x, w) => {
      const y = addBias(graph, x, w);
      return add(graph, multiply(graph, y, x), affine(graph, subtract(graph, x, multiply(graph, y, y)), 0.3));
    },
  })),
  family(['columnSum'], dimsOf(9), (dims) => ({
    ...{ dims, weightDims: [dims.at(-1)!] },
    build: (graph, x, w) => addBias(graph, addBias(graph, x, w), affine(graph, columnSum(graph, x), 0.1)),
  })),
  family(['matmul'], fc.tuple(dimsOf(6), size(20)), ([dims, n]) => ({
    ...{ dims, weightDims: [dims.at(-1)!, n] },
    build: (graph, x, w) => affine(graph, matmul(graph, x, w), 0.5),
  })),
  family(['matmulTransposed'], fc.tuple(dimsOf(6), size(20)), ([dims, n]) => ({
    ...{ dims, weightDims: [n, dims.at(-1)!] },
    build: (graph, x, w) => affine(graph, matmulTransposed(graph, x, w), 0.5),
  })),
  family(['outerSum'], fc.tuple(size(6), size(18)), ([k, n]) => ({
    ...{ dims: [k], weightDims: [k, n] },
    build: (graph, x, w) =>
      affine(graph, matmul(graph, x, outerSum(graph, x, affine(graph, matmul(graph, x, w), 0.2))), 0.1),
  })),
  family(['conv2d'], convolution, (shape) =>
    convolved(shape, (graph, x, w) => affine(graph, conv2d(graph, x, w, shape, shape.groups), 0.5)),
  ),
  family(['conv2dInputGrad'], convolution, (shape) =>
    convolved(shape, (graph, x, w) =>
      affine(graph, gradientOf(graph, conv2d(graph, x, w, shape, shape.groups), 'conv2dInputGrad'), 0.03),
    ),
  ),
  family(['conv2dInputGrad'], convolution, (shape) => ({
    dims: [2, 3, shape.channels * shape.groups],
    weightDims: [product(shape.kernel) * shape.filters, shape.channels * shape.groups],
    build: (graph, x, w) => {
      const window = { ...shape, padding: shape.padding === 'valid' ? 'valid' : 'same' } as const;
      return conv2dTranspose(graph, x, w, window, shape.groups, [shape.stride[0] - 1, 0]);
    },
  })),
  family(['conv2dWeightGrad'], convolution, (shape) =>
    convolved(shape, (graph, x, w) => {
      const y = conv2d(graph, x, w, shape, shape.groups);
      const dw = affine(graph, gradientOf(graph, y, 'conv2dWeightGrad'), 0.005);
      return affine(graph, conv2d(graph, x, dw, shape, shape.groups), 0.2);
    }),
  ),
  family(['maxPool2d'], pool, ({ image, ...window }) => ({
    ...{ dims: image, weightDims: [image[2]], apart: true },
    build: (graph, x, w) => addBias(graph, maxPool2d(graph, x, window), w),
  })),
  family(['averagePool2d'], pool, ({ image, ...window }) =>
    onBiased(image, (graph, x) => affine(graph, averagePool2d(graph, x, window), 2)),
  ),
  family(['averagePool2dGrad'], pool, ({ image, ...window }) =>
    onBiased(image, (graph, x) =>
      affine(graph, gradientOf(graph, averagePool2d(graph, x, window), 'averagePool2dGrad'), 3),
    ),
  ),
  family(['pad2d'], fc.tuple(image, edges), ([dims, padding]) =>
    onBiased(dims, (graph, x) => pad2d(graph, x, padding)),
  ),
  family(['crop2d'], fc.tuple(image, edges), ([dims, padding]) => {
    const { top, bottom, left, right } = padding;
    return onBiased([dims[0] + top + bottom, dims[1] + left + right, dims[2]], (graph, x) =>
      gradientOf(graph, pad2d(graph, input(graph, dims), padding), 'crop2d', x),
    );
  }),
  family(['permute'], fc.tuple(image, fc.shuffledSubarray([0, 1, 2], { minLength: 3 })), ([dims, order]) =>
    onBiased(dims, (graph, x) => permute(graph, x, order)),
  ),
  family(['upsample2d'], fc.tuple(image, size(3)), ([dims, factor]) =>
    onBiased(dims, (graph, x) => upsample2d(graph, x, factor)),
  ),
  family(['upsample2dGrad'], fc.tuple(image, size(3)), ([dims, factor]) =>
    onBiased([dims[0] * factor, dims[1] * factor, dims[2]], (graph, x) =>
      affine(graph, gradientOf(graph, upsample2d(graph, input(graph, dims), factor), 'upsample2dGrad', x), 0.3),
    ),
  ),
  family(
    ['concatenate', 'columns', 'columnsGrad'],
    fc.tuple(size(3), fc.integer({ min: 3, max: 12 }), size(2)),
    ([steps, width, first]) =>
      onBiased([steps, width], (graph, x) => {
        const part = columns(graph, x, first, width - first);
        const back = gradientOf(graph, part, 'columnsGrad', multiply(graph, part, part));
        return concatenate(graph, [back, x, part]);
      }),
  ),
  family(['recurrentStates', 'hiddenStates', 'atLeast'], sequence, recurrence),
  family(['embed'], fc.tuple(size(5), size(9)), ([steps, width]) => ({
    ...{ dims: [steps], weightDims: [7, width] },
    build: (graph, x, w) => embed(graph, affine(graph, x, 3, 3.46), w),
  })),
  family(['embedGrad'], fc.tuple(size(5), size(9)), ([steps, width]) => ({
    ...{ dims: [steps], weightDims: [7, width] },
    build(graph, x, w) {
      const indices = affine(graph, x, 3, 3.46);
      const y = embed(graph, indices, w);
      const dw = gradientOf(graph, y, 'embedGrad', multiply(graph, y, y));
      return embed(graph, indices, affine(graph, dw, 0.05));
    },
  })),
  ...[true, false].map((centered) =>
    family(['vectorMoments', 'vectorNorm'], fc.tuple(size(3), fc.integer({ min: 3, max: 20 })), ([steps, width]) => ({
      ...{ dims: [steps, width], weightDims: [2 * width] },
      build(graph, x, w) {
        const [scale, bias] = pairOf(graph, w, width);
        return addBias(graph, vectorNorm(graph, x, scale, centered ? bias : null, 0.1), affine(graph, bias, 0.5));
      },
    })),
  ),
  family(['groupMoments', 'groupNorm'], places, ({ image: [height, width], groups, width: each }) => ({
    ...{ dims: [height + 1, width, groups * each], weightDims: [2 * groups * each] },
    build: (graph, x, w) => groupNorm(graph, x, ...pairOf(graph, w, groups * each), groups, 0.1),
  })),
  family(['keepSteps', 'maskRows', 'reciprocal', 'differs'], fc.tuple(size(6), size(9)), ([steps, width]) =>
    onBiased([steps, width], (graph, x) => {
      const mask = differs(graph, affine(graph, maskOf(graph, x), 2, 1), 1);
      const shares = reshape(
        graph,
        averagePool2d(graph, reshape(graph, mask, 1, steps, 1), { size: [1, steps], stride: [1, 1] }),
        1,
      );
      return scaleSteps(graph, keepSteps(graph, x, mask), reciprocal(graph, shares));
    }),
  ),
  family(['groupMoments', 'groupNorm', 'keepSteps'], places, ({ image: [steps], groups, width: each }) => ({
    ...{ dims: [steps + 1, groups * each], weightDims: [2 * groups * each] },
    build: (graph, x, w) => groupNorm(graph, x, ...pairOf(graph, w, groups * each), groups, 0.1, maskOf(graph, x)),
  })),
  family(['batchMoments', 'batchNorm'], fc.tuple(size(6), size(9)), ([steps, width]) => ({
    ...{ dims: [steps, width], weightDims: [2 * width] },
    build: (graph, x, w) => batchNorm(graph, x, ...pairOf(graph, w, width), 0.1, maskOf(graph, x)).y,
  })),
  family(['batchMoments', 'batchNorm'], dimsOf(7), (dims) => ({
    ...{ dims, weightDims: [2 * dims.at(-1)!] },
    build: (graph, x, w) => batchNorm(graph, x, ...pairOf(graph, w, dims.at(-1)!), 0.1).y,
  })),
  ...[true, false].map((centered) =>
    family(['vectorNormGrad', 'vectorScaleGrad'], fc.tuple(size(3), fc.integer({ min: 2, max: 20 })), (dims) =>
      fixedVectorNorm(dims, centered),
    ),
  ),
  family(['groupNormGrad', 'channelScaleGrad'], places, ({ image: [height, width], groups, width: each }) =>
    fixedGroupNorm([height, width, groups * (each + 1)], groups),
  ),
  family(['groupNormGrad', 'keepSteps'], fc.tuple(fc.integer({ min: 2, max: 5 }), size(3)), ([steps, groups]) =>
    fixedGroupNorm([steps, groups * 3], groups, true),
  ),
  family(['channelScaleGrad'], image, (dims) => fixedBatchScale(dims)),
  family(['maxPool2dGrad'], pool, ({ image, ...window }) => fixedMaxPool(image, window)),
  family(['recurrentGrad'], sequence, ({ kind: [kind], steps, width, reverse, initial }) =>
    fixedRecurrence(kind, steps, width, reverse, initial),
  ),
  family(['attentionGrad'], heads, ({ keyHeads, shared, depth, causal, cross, steps, others }) =>
    fixedAttention(
      { heads: keyHeads * shared, keyHeads, depth, causal: causal && !cross },
      steps,
      cross ? others : null,
    ),
  ),
  family(['attention'], heads, attended),
  family(['rotary'], fc.tuple(size(4), size(3), size(3), size(4)), ([steps, count, half, rest]) => {
    const [depth, width] = [2 * half, count * 2 * half + rest];
    return {
      ...{ dims: [steps, width], weightDims: [steps * depth + width] },
      build(graph, x, w) {
        // the angles are a parameter here: they do not count in the gradient, so w alone moves what is turned
        const table = affine(graph, reshape(graph, columns(graph, w, 0, steps * depth), steps, depth), 0, 0.6);
        const spread = addBias(graph, x, columns(graph, w, steps * depth, width));
        return rotary(graph, spread, table, count, depth);
      },
    };
  }),
  // with weights of six classes, or labels up to the sixth
  ...lossCases.map((one) =>
    family(one.ops, one.classWeights === undefined ? fc.integer({ min: 6, max: 12 }) : fc.constant(6), (width) => ({
      ...one,
      ...{ dims: [...one.dims.slice(0, -1), width], weightDims: [width] },
    })),
  ),
  // shares of a distribution add up to 1: six times a sixth
  ...secondCases.map((one) =>
    family(one.ops, one.ops[0] === 'divergenceGrad' ? fc.constant(6) : fc.integer({ min: 2, max: 9 }), (width) => ({
      ...one,
      ...{ dims: [width], weightDims: [width] },
    })),
  ),
];
