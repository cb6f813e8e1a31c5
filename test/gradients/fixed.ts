import { batched, elementsOf, fixed, type Graph, type Node } from '../../src/engine/graph/graph.ts';
import { type AttentionShape, crossAttention, selfAttention } from '../../src/engine/ops/attention.ts';
import { concatenate } from '../../src/engine/ops/concatenate.ts';
import { addBias, affine, reshape } from '../../src/engine/ops/elementwise.ts';
import { keepSteps } from '../../src/engine/ops/masks.ts';
import { pad2d } from '../../src/engine/ops/movement.ts';
import { batchNorm, groupNorm, vectorNorm } from '../../src/engine/ops/normalization.ts';
import { maxPool2d, type PoolingWindow } from '../../src/engine/ops/pooling.ts';
import { type RecurrentKind, recurrent } from '../../src/engine/ops/recurrent.ts';
import { opOf } from '../../src/engine/ops/registry.ts';
import type { Case } from './case.ts';

/**
 * Gradients of operations on values that nothing moves, by what flows back into them: what a Gauss-Newton product asks of them. What flows is x + w.
 */
const EPSILON = 1e-2;

const constant = (graph: Graph, dims: readonly number[], value: number): Node =>
  graph.add('constant', [], batched(...dims), { value });
const fixedOf = (graph: Graph, width: number, value: number): Node =>
  graph.add('constant', [], fixed(width), { value });

/** (rows, …, C), different from column to column. */
function uneven(graph: Graph, dims: readonly number[]): Node {
  const head = dims.slice(0, -1);
  const parts = Array.from({ length: dims.at(-1)! }, (_, i) => constant(graph, [...head, 1], Math.sin(2 + 5 * i)));
  return graph.add('concatenate', parts, batched(...dims));
}

const flowing = (dims: number[], ops: string[], build: Case['build']): Omit<Case, 'name'> => ({
  ...{ ops, dims, weightDims: [dims.at(-1)!] },
  build: (graph, x, w) => build(graph, addBias(graph, x, w), w),
});

/** The gradient by the input, plus that by the scale. */
function both(graph: Graph, y: Node, dy: Node): Node {
  const [dx, , dscale] = opOf(y).gradient!(graph, y, dy) as [Node, null, Node];
  return addBias(graph, dx, affine(graph, dscale, 0.05));
}

export const fixedVectorNorm = (dims: number[], centered: boolean) =>
  flowing(dims, ['vectorNormGrad', 'vectorScaleGrad', 'scaleColumns'], (graph, dy) => {
    const width = dims.at(-1)!;
    const bias = centered ? fixedOf(graph, width, 0.1) : null;
    return both(graph, vectorNorm(graph, uneven(graph, dims), fixedOf(graph, width, 0.3), bias, EPSILON), dy);
  });

/** The last step is padding, where `masked`. */
export const fixedGroupNorm = (dims: number[], groups: number, masked = false) =>
  flowing(dims, ['groupNormGrad', 'channelScaleGrad'], (graph, dy) => {
    const [scale, bias] = [0.3, 0.1].map((value) => fixedOf(graph, dims.at(-1)!, value)) as [Node, Node];
    if (!masked) return both(graph, groupNorm(graph, uneven(graph, dims), scale, bias, groups, EPSILON), dy);
    const steps = dims[0]!;
    const ends = [constant(graph, [steps - 1], 1), constant(graph, [1], 0)];
    const mask = concatenate(graph, ends);
    const y = groupNorm(graph, uneven(graph, dims), scale, bias, groups, EPSILON, mask);
    return both(graph, y.inputs[0]!, keepSteps(graph, dy, mask));
  });

export const fixedBatchScale = (dims: number[]) =>
  flowing(dims, ['channelScaleGrad'], (graph, dy) => {
    const [scale, bias] = [0.3, 0.1].map((value) => fixedOf(graph, dims.at(-1)!, value)) as [Node, Node];
    const { y } = batchNorm(
      graph,
      pad2d(graph, uneven(graph, dims), { top: 0, bottom: 1, left: 0, right: 0 }),
      scale,
      bias,
      EPSILON,
    );
    const padded = pad2d(graph, dy, { top: 0, bottom: 1, left: 0, right: 0 });
    const [, , dscale] = opOf(y).gradient!(graph, y, padded) as [Node, null, Node];
    return addBias(graph, dy, affine(graph, dscale, 0.05));
  });

export const fixedMaxPool = (dims: [number, number, number], window: PoolingWindow) => {
  const [height, width, channels] = dims;
  const places = [height, width].map((n, i) => Math.floor((n - window.size[i]!) / window.stride[i]!) + 1);
  return flowing([...places, channels], ['maxPool2dGrad', 'maxPool2dPick'], (graph, dy) => {
    const inner = uneven(graph, [height - 1, width, channels]);
    const image = pad2d(graph, inner, { top: 1, bottom: 0, left: 0, right: 0 });
    const y = maxPool2d(graph, image, window);
    return opOf(y).gradient!(graph, y, dy)[0]!;
  });
};

const GATES: Record<RecurrentKind, number> = { rnn: 1, lstm: 4, gru: 3 };

/** (rows, columns) of a weight, different from column to column. */
function unevenWeight(graph: Graph, rows: number, columns: number): Node {
  const parts = Array.from({ length: columns }, (_, i) =>
    graph.add('constant', [], fixed(rows, 1), { value: 0.3 * Math.cos(3 * i) }),
  );
  return graph.add('concatenate', parts, fixed(rows, columns));
}

export const fixedRecurrence = (
  kind: RecurrentKind,
  steps: number,
  width: number,
  reverse: boolean,
  initial: boolean,
) =>
  flowing([steps, width], ['recurrentGrad', 'recurrentTangent'], (graph, dy) => {
    const [inputs, gates] = [3, GATES[kind] * width];
    const states = kind === 'lstm' ? 2 : 1;
    const given = Array.from({ length: states }, () => uneven(graph, [width]));
    const y = recurrent(
      graph,
      kind,
      {
        x: uneven(graph, [steps, inputs]),
        w: unevenWeight(graph, inputs, gates),
        u: unevenWeight(graph, width, gates),
        initial: initial ? given : undefined,
      },
      reverse,
    );
    const node = kind === 'rnn' ? y : y.inputs[0]!;
    return affine(graph, opOf(node).gradient!(graph, node, dy)[0]!, 3);
  });

/** Of a sequence to itself, or to one of `others` steps. */
export const fixedAttention = (shape: AttentionShape, steps: number, others: number | null) =>
  flowing([steps, shape.heads * shape.depth], ['attentionGrad', 'attentionTangent'], (graph, dy) => {
    const own = shape.heads * shape.depth;
    const keys = 2 * shape.keyHeads * shape.depth;
    const y =
      others === null
        ? selfAttention(graph, uneven(graph, [steps, own + keys]), shape)
        : crossAttention(graph, uneven(graph, [steps, own]), uneven(graph, [others, keys]), shape);
    const flat = opOf(y).gradient!(graph, y, dy).flatMap((dx) =>
      dx == null ? [] : [reshape(graph, dx, elementsOf(dx))],
    );
    return affine(graph, concatenate(graph, flat), 4);
  });

export const fixedCases: Case[] = [
  { name: 'vectorNormGrad, which is linear', ...fixedVectorNorm([3, 9], true) },
  { name: 'vectorNormGrad of an RMS norm', ...fixedVectorNorm([2, 13], false) },
  { name: 'groupNormGrad', ...fixedGroupNorm([2, 3, 6], 2) },
  { name: 'channelScaleGrad of a batch norm', ...fixedBatchScale([2, 2, 5]) },
  ...(['rnn', 'lstm', 'gru'] as const).flatMap((kind, i) =>
    [false, true].map((more) => ({
      name: `recurrentGrad of ${kind}${more ? ', backwards, with an initial state' : ''}`,
      ...fixedRecurrence(kind, 3, 5 + i, more, more),
    })),
  ),
  { name: 'attentionGrad', ...fixedAttention({ heads: 2, keyHeads: 1, depth: 3, causal: true }, 4, null) },
  {
    name: 'attentionGrad over another sequence',
    ...fixedAttention({ heads: 2, keyHeads: 2, depth: 2, causal: false }, 3, 5),
  },
  { name: 'maxPool2dGrad, which is linear', ...fixedMaxPool([5, 6, 5], { size: [2, 3], stride: [1, 2] }) },
];
