import type { Graph, Node } from '../../src/engine/graph/graph.ts';
import { crossAttention, rotary, rotaryTable, selfAttention } from '../../src/engine/ops/attention.ts';
import { columns } from '../../src/engine/ops/concatenate.ts';
import { scaleSteps } from '../../src/engine/ops/dropout.ts';
import { addBias, affine, reshape } from '../../src/engine/ops/elementwise.ts';
import { atLeast, differs, keepSteps, reciprocal } from '../../src/engine/ops/masks.ts';
import { batchNorm, groupNorm, vectorNorm } from '../../src/engine/ops/normalization.ts';
import { averagePool2d } from '../../src/engine/ops/pooling.ts';
import type { Case } from './case.ts';

/** Scale and bias of a norm over `width` values, from one parameter. */
const pair = (graph: Graph, w: Node, width: number) =>
  [columns(graph, w, 0, width), columns(graph, w, width, width)] as const;

const EPSILON = 1e-3;

/** A step of x (rows, T, C) counts unless its first value is below 0. */
function maskOf(graph: Graph, x: Node): Node {
  return reshape(graph, atLeast(graph, columns(graph, x, 0, 1), 0), x.shape.dims[0]!);
}

function attentionCase(name: string, causal: boolean, masked: boolean, keyHeads: number): Case {
  const [steps, heads, depth] = [4, 2, 3];
  const width = (heads + 2 * keyHeads) * depth;
  return {
    name,
    ops: ['attention'],
    dims: [steps, width],
    weightDims: [width],
    build(graph, x, w) {
      const all = addBias(graph, x, w);
      const mask = masked ? atLeast(graph, columns(graph, reshape(graph, x, steps * width), 0, steps), 0) : undefined;
      return affine(graph, selfAttention(graph, all, { heads, keyHeads, depth, causal }, mask), 3);
    },
  };
}

export const normalizationCases: Case[] = [
  {
    name: 'layer norm',
    ops: ['vectorMoments', 'vectorNorm'],
    dims: [3, 9],
    weightDims: [18],
    build: (graph, x, w) => vectorNorm(graph, x, ...pair(graph, w, 9), EPSILON),
  },
  {
    name: 'RMS norm',
    ops: ['vectorMoments', 'vectorNorm'],
    dims: [3, 9],
    weightDims: [9],
    build: (graph, x, w) => vectorNorm(graph, x, w, null, EPSILON),
  },
  ...[1, 2, 6].map(
    (groups): Case => ({
      name: `group norm, ${groups} groups`,
      ops: ['groupMoments', 'groupNorm'],
      dims: [2, 3, 6],
      weightDims: [12],
      build: (graph, x, w) => groupNorm(graph, x, ...pair(graph, w, 6), groups, EPSILON),
    }),
  ),
  {
    name: 'batch norm',
    ops: ['batchMoments', 'batchNorm'],
    dims: [2, 5],
    weightDims: [10],
    build: (graph, x, w) => batchNorm(graph, x, ...pair(graph, w, 5), EPSILON).y,
  },
  ...[1, 2].map(
    (groups): Case => ({
      name: `group norm of what counts, ${groups} groups`,
      ops: ['groupMoments', 'groupNorm', 'keepSteps'],
      dims: [4, 6],
      weightDims: [12],
      build: (graph, x, w) => groupNorm(graph, x, ...pair(graph, w, 6), groups, EPSILON, maskOf(graph, x)),
    }),
  ),
  {
    name: 'batch norm of what counts',
    ops: ['batchMoments', 'batchNorm'],
    dims: [4, 5],
    weightDims: [10],
    build: (graph, x, w) => batchNorm(graph, x, ...pair(graph, w, 5), EPSILON, maskOf(graph, x)).y,
  },
  {
    name: 'mean of what counts',
    ops: ['keepSteps', 'maskRows', 'reciprocal', 'differs'],
    dims: [4, 5],
    weightDims: [5],
    build(graph, x, w) {
      const mask = differs(graph, affine(graph, maskOf(graph, x), 2, 1), 1);
      const windows = { size: [1, 3], stride: [1, 1] } as const;
      const mean = (value: Node) =>
        averagePool2d(graph, reshape(graph, value, 1, 4, value.shape.dims.at(-1)!), windows);
      const shares = reshape(graph, mean(reshape(graph, mask, 4, 1)), 2);
      return addBias(graph, scaleSteps(graph, mean(keepSteps(graph, x, mask)), reciprocal(graph, shares)), w);
    },
  },
  attentionCase('attention', false, false, 2),
  attentionCase('attention, causal', true, false, 2),
  attentionCase('attention, masked', false, true, 2),
  attentionCase('attention, causal, masked, shared keys', true, true, 1),
  {
    name: 'attention over another sequence',
    ops: ['attention'],
    dims: [3 * 6 + 4 * 12],
    weightDims: [12],
    build(graph, x, w) {
      const q = reshape(graph, columns(graph, x, 0, 18), 3, 6);
      const memory = addBias(graph, reshape(graph, columns(graph, x, 18, 48), 4, 12), w);
      const shape = { heads: 2, keyHeads: 2, depth: 3, causal: false };
      return affine(graph, crossAttention(graph, q, memory, shape), 3);
    },
  },
  {
    name: 'rotary',
    ops: ['rotary'],
    dims: [3, 10],
    weightDims: [12],
    // the angles are a parameter here, so the table has no gradient to look at: w moves what is turned
    build(graph, x, w) {
      const table = affine(graph, reshape(graph, columns(graph, w, 0, 12), 3, 4), 0, rotaryTable(2, 4)[6]!);
      return rotary(graph, addBias(graph, x, columns(graph, w, 0, 10)), table, 2, 4);
    },
  },
];
