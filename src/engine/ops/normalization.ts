import { batched, elementsOf, fixed, type Graph, lastDim, type Node, vectorsOf } from '../graph/graph.ts';
import { at, type Domain, whole } from '../plan/call.ts';
import { columnSum, reshape } from './elementwise.ts';
import { keepSteps } from './masks.ts';
import type { Op } from './op.ts';

/**
 * Normalisation: x̂ = (x − mean)·deviation, y = x̂·scale + bias, with deviation = 1/√(variance + epsilon). Means and deviations ("moments") are
 * values of their own, which forward and backward share.
 *   over vectors    layer norm (Ba et al. 2016) and RMS norm (Zhang & Sennrich 2019), whose mean is 0: every vector by itself
 *   over channels   group norm (Wu & He 2018): a row's places and a group of its channels together; batch norm (Ioffe & Szegedy 2015): all
 *                   rows and places of the batch together, so a barrier stands before it. Steps that a mask (rows, T) says are padding have no
 *                   part in their moments.
 */

/** y (rows, …, C), every vector by itself; without `bias` an RMS norm: no mean is taken off. */
export function vectorNorm(graph: Graph, x: Node, scale: Node, bias: Node | null, epsilon: number): Node {
  const centered = bias !== null;
  const moments = graph.add('vectorMoments', [x], batched(...x.shape.dims.slice(0, -1), 2), { centered, epsilon });
  return graph.add('vectorNorm', [x, moments, scale, ...(bias === null ? [] : [bias])], x.shape, { centered });
}

/** y (rows, …, C) over places and groups of C/groups channels; 0 at padding */
export function groupNorm(
  graph: Graph,
  x: Node,
  scale: Node,
  bias: Node,
  groups: number,
  epsilon: number,
  mask?: Node,
): Node {
  const channels = lastDim(x);
  if (channels % groups !== 0) throw new Error(`groupNorm: ${channels} channels in ${groups} groups`);
  const rest = mask === undefined ? [] : [mask];
  const moments = graph.add('groupMoments', [x, ...rest], batched(2, channels), { groups, epsilon });
  const y = graph.add('groupNorm', [x, moments, scale, bias, ...rest], x.shape, { groups });
  return mask === undefined ? y : keepSteps(graph, y, mask);
}

/** What a batch norm makes of a batch, for the running statistics. */
interface BatchStatistics {
  /** (2, C) */
  moments: Node;
  /** (1): values of a channel, where padding is left out */
  count?: Node | undefined;
}

/** Batch norm while training. */
export function batchNorm(
  graph: Graph,
  x: Node,
  scale: Node,
  bias: Node,
  epsilon: number,
  mask?: Node,
): { y: Node; statistics: BatchStatistics } {
  const moments = graph.add('batchMoments', mask === undefined ? [x] : [x, mask], fixed(2, lastDim(x)), { epsilon });
  const count = mask && columnSum(graph, reshape(graph, mask, elementsOf(mask), 1));
  const rest = mask === undefined ? [] : [mask, count!];
  return { y: graph.add('batchNorm', [x, moments, scale, bias, ...rest], x.shape), statistics: { moments, count } };
}

/** Batch norm with running statistics, mean and variance (C): what evaluation and prediction use, so it has no gradient. */
export function fixedNorm(
  graph: Graph,
  x: Node,
  scale: Node,
  bias: Node,
  mean: Node,
  variance: Node,
  epsilon: number,
): Node {
  const moments = graph.add('runningMoments', [mean, variance], fixed(2, lastDim(x)), { epsilon });
  return graph.add('fixedNorm', [x, moments, scale, bias], x.shape);
}

/** Moves running statistics towards a batch's (an effect). `places` values a row were taken for each channel. */
export function updateRunning(
  graph: Graph,
  mean: Node,
  variance: Node,
  { moments, count }: BatchStatistics,
  places: number,
  momentum: number,
  epsilon: number,
): Node {
  const inputs = [mean, variance, moments, ...(count === undefined ? [] : [count])];
  return graph.add('updateRunning', inputs, fixed(lastDim(moments)), { places, momentum, epsilon });
}

const byChannel = (node: Node): Domain => ({ kind: 'units', size: lastDim(node), of: 'chunks' });

/** dscale (C) of a norm by channel; moments of each row, or one pair for all rows */
function channelScaleGradient(graph: Graph, dy: Node, x: Node, moments: Node): Node {
  return graph.add('channelScaleGrad', [dy, x, moments], fixed(lastDim(x)));
}

/** y (rows, …, C) = x·scale (C) for every vector */
function scaleColumns(graph: Graph, x: Node, scale: Node): Node {
  return graph.add('scaleColumns', [x, scale], x.shape);
}

/**
 * What dx of a norm makes of `g` by dy. dx = P·(scale∘dy), and P, which takes off the mean and what lies along x̂, is symmetric: so it is scale∘(P·g).
 */
function bendByFlow(graph: Graph, node: Node, g: Node): (Node | undefined)[] {
  const [, x, moments, scale, ...rest] = node.inputs as [Node, Node, Node, Node, ...Node[]];
  const ones = graph.add('constant', [], scale.shape, { value: 1 });
  return [scaleColumns(graph, graph.add(node.op, [g, x, moments, ones, ...rest], x.shape, node.attributes), scale)];
}

const momentsOf = (moments: Node) => (moments.shape.batched ? at(moments, elementsOf(moments)) : whole(moments));
/** The mask of a row, or none. */
const maskOf = (mask: Node | undefined) => (mask === undefined ? 0 : at(mask, elementsOf(mask)));
const pitchOf = (moments: Node) => (moments.shape.batched ? elementsOf(moments) : 0);

export const normalizations: Op[] = [
  {
    name: 'vectorMoments',
    flops: (node) => 4 * elementsOf(node.inputs[0]!),
    // the whole gradient of x is that of the norm
    gradient: () => [null],
    lower(node) {
      const x = node.inputs[0]!;
      const { centered, epsilon } = node.attributes as { centered: boolean; epsilon: number };
      const args = [at(x, elementsOf(x)), at(node, elementsOf(node)), { units: vectorsOf(x) }, lastDim(x), epsilon];
      return [{ kernel: 'vectorMoments', args: [Number(centered), ...args] }];
    },
  },
  {
    name: 'vectorNorm',
    gradient(graph, node, dy) {
      const [x, moments, scale, bias] = node.inputs as [Node, Node, Node, Node?];
      return [
        graph.add('vectorNormGrad', [dy, x, moments, scale], x.shape, node.attributes),
        null,
        graph.add('vectorScaleGrad', [dy, x, moments], fixed(lastDim(x))),
        ...(bias === undefined ? [] : [columnSum(graph, dy)]),
      ];
    },
    lower(node) {
      const [x, moments, scale, bias] = node.inputs as [Node, Node, Node, Node?];
      const n = elementsOf(x);
      const parameters = [whole(scale), bias === undefined ? 0 : whole(bias)];
      const args = [at(x, n), momentsOf(moments), ...parameters, at(node, n), { units: vectorsOf(x) }, lastDim(x)];
      return [{ kernel: 'vectorNorm', args }];
    },
  },
  {
    name: 'vectorNormGrad',
    flops: (node) => 8 * elementsOf(node),
    gradient: bendByFlow,
    lower(node) {
      const [dy, x, moments, scale] = node.inputs as [Node, Node, Node, Node];
      const n = elementsOf(x);
      const args = [at(dy, n), at(x, n), momentsOf(moments), whole(scale), at(node, n)];
      return [
        {
          kernel: 'vectorNormGrad',
          args: [Number(node.attributes.centered as boolean), ...args, { units: vectorsOf(x) }, lastDim(x)],
        },
      ];
    },
  },
  {
    name: 'vectorScaleGrad',
    sumsRows: true,
    flops: (node) => 3 * elementsOf(node.inputs[0]!),
    // by dy: x̂·g
    gradient(graph, node, g) {
      const [, x, moments] = node.inputs as [Node, Node, Node];
      return [graph.add('vectorNorm', [x, moments, g], x.shape), undefined, undefined];
    },
    lower(node) {
      const [dy, x, moments] = node.inputs as [Node, Node, Node];
      const args = [at(dy, 1), at(x, 1), lastDim(x), whole(moments), at(node, 1), { rows: vectorsOf(x) }, { units: 1 }];
      return [{ kernel: 'vectorScaleGrad', args }];
    },
  },
  {
    name: 'groupMoments',
    flops: (node) => 4 * elementsOf(node.inputs[0]!),
    gradient: () => [null],
    lower(node) {
      const [x, mask] = node.inputs as [Node, Node?];
      const { groups, epsilon } = node.attributes as { groups: number; epsilon: number };
      const to = [at(node, elementsOf(node)), { units: 1 }, vectorsOf(x), lastDim(x)];
      const args = [at(x, elementsOf(x)), maskOf(mask), ...to];
      return [{ kernel: 'groupMoments', args: [...args, groups, epsilon] }];
    },
  },
  {
    name: 'groupNorm',
    gradient(graph, node, dy) {
      const [x, moments, scale, , ...rest] = node.inputs as [Node, Node, Node, Node, ...Node[]];
      return [
        graph.add('groupNormGrad', [dy, x, moments, scale, ...rest], x.shape, node.attributes),
        null,
        channelScaleGradient(graph, dy, x, moments),
        columnSum(graph, dy),
        ...rest.map(() => null),
      ];
    },
    lower: lowerChannelNorm,
  },
  {
    name: 'groupNormGrad',
    flops: (node) => 8 * elementsOf(node),
    gradient: bendByFlow,
    lower(node) {
      const [dy, x, moments, scale, mask] = node.inputs as [Node, Node, Node, Node, Node?];
      const n = elementsOf(x);
      const from = [at(dy, n), at(x, n), maskOf(mask), momentsOf(moments), whole(scale), at(node, n)];
      const sizes = [{ units: 1 }, vectorsOf(x), lastDim(x), node.attributes.groups as number];
      return [{ kernel: 'groupNormGrad', args: [...from, ...sizes, { own: 'scratch' }] }];
    },
  },
  {
    name: 'batchMoments',
    domain: byChannel,
    sumsRows: true,
    flops: (node) => 4 * elementsOf(node.inputs[0]!),
    gradient: () => [null],
    lower(node) {
      const [x, mask] = node.inputs as [Node, Node?];
      const to = [at(node, 1), at(node, 1, lastDim(x))];
      const sizes = [{ rows: vectorsOf(x) }, { units: 1 }, node.attributes.epsilon as number];
      const ofMask = mask === undefined ? 0 : whole(mask);
      return [{ kernel: 'batchMoments', args: [at(x, 1), lastDim(x), ofMask, ...to, ...sizes] }];
    },
  },
  {
    name: 'batchNorm',
    gradient(graph, node, dy) {
      const [x, moments, scale, , ...rest] = node.inputs as [Node, Node, Node, Node, ...Node[]];
      const dscale = channelScaleGradient(graph, dy, x, moments);
      const dbias = columnSum(graph, dy);
      const dx = graph.add('batchNormGrad', [dy, x, moments, scale, dscale, dbias, ...rest], x.shape);
      return [dx, null, dscale, dbias, ...rest.map(() => null)];
    },
    lower: lowerChannelNorm,
  },
  { name: 'fixedNorm', lower: lowerChannelNorm },
  {
    name: 'batchNormGrad',
    flops: (node) => 8 * elementsOf(node),
    lower(node) {
      type Given = [Node, Node, Node, Node, Node, Node, Node?, Node?];
      const [dy, x, moments, scale, dscale, dbias, mask, count] = node.inputs as Given;
      const n = elementsOf(x);
      const ofBatch = [whole(moments), whole(scale), whole(dscale), whole(dbias)];
      const from = [at(dy, n), at(x, n), maskOf(mask), ...ofBatch, at(node, n)];
      const sizes = [{ units: 1 }, vectorsOf(x), lastDim(x), count === undefined ? 0 : whole(count)];
      return [{ kernel: 'batchNormGrad', args: [...from, ...sizes, { own: 'step' }, { own: 'scratch' }] }];
    },
  },
  {
    name: 'channelScaleGrad',
    domain: byChannel,
    sumsRows: true,
    flops: (node) => 3 * elementsOf(node.inputs[0]!),
    gradient(graph, node, g) {
      const [, x, moments] = node.inputs as [Node, Node, Node];
      const zeros = graph.add('constant', [], g.shape, { value: 0 });
      return [graph.add('fixedNorm', [x, moments, g, zeros], x.shape), undefined, undefined];
    },
    lower(node) {
      const [dy, x, moments] = node.inputs as [Node, Node, Node];
      const from = [at(dy, 1), at(x, 1), at(moments, 1), pitchOf(moments), at(node, 1)];
      return [{ kernel: 'channelScaleGrad', args: [...from, { rows: 1 }, vectorsOf(x), lastDim(x), { units: 1 }] }];
    },
  },
  {
    name: 'scaleColumns',
    inPlace: true,
    lower(node) {
      const [x, scale] = node.inputs as [Node, Node];
      const n = elementsOf(x);
      // as if all vectors were places of one row
      const sizes = [1, { units: vectorsOf(x) }, lastDim(x)];
      return [{ kernel: 'mulChannels', args: [at(x, n), whole(scale), at(node, n), ...sizes] }];
    },
  },
  {
    name: 'updateRunning',
    domain: byChannel,
    writes: () => [0, 1],
    lower(node) {
      const [mean, variance, moments, count] = node.inputs as [Node, Node, Node, Node?];
      const { places, momentum, epsilon } = node.attributes as Record<string, number>;
      const from = [at(mean, 1), at(variance, 1), at(moments, 1), at(moments, 1, lastDim(moments))];
      const sizes = [{ units: 1 }, places!, momentum!, epsilon!, count === undefined ? 0 : whole(count)];
      return [{ kernel: 'updateRunning', args: [...from, ...sizes, { own: 'step' as const }] }];
    },
  },
  {
    name: 'runningMoments',
    domain: byChannel,
    lower(node) {
      const [mean, variance] = node.inputs as [Node, Node];
      const from = [at(mean, 1), at(variance, 1), at(node, 1), at(node, 1, lastDim(node))];
      return [{ kernel: 'runningMoments', args: [...from, { units: 1 }, node.attributes.epsilon as number] }];
    },
  },
];

function lowerChannelNorm(node: Node) {
  const [x, moments, scale, bias] = node.inputs as [Node, Node, Node, Node];
  const n = elementsOf(x);
  const from = [at(x, n), momentsOf(moments), pitchOf(moments), whole(scale), whole(bias), at(node, n)];
  return [{ kernel: 'channelNorm' as const, args: [...from, { units: 1 }, vectorsOf(x), lastDim(x)] }];
}
