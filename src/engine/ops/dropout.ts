import { batched, elementsOf, type Graph, lastDim, type Node, vectorsOf } from '../graph/graph.ts';
import { type Argument, at } from '../plan/call.ts';
import type { Seed } from '../random.ts';
import type { Op } from './op.ts';

/**
 * Inverted dropout (Srivastava et al. 2014). The mask is a function of (seed, stream, step, element), so it is never stored: the
 * gradient draws it again.
 */
export function dropout(graph: Graph, x: Node, rate: number, seed: Seed, stream: number): Node {
  return graph.add('dropout', [x], x.shape, { rate, seed, stream });
}

/**
 * Spatial dropout (Tompson et al. 2015): a row of x (rows, …, channels) loses a channel everywhere or nowhere. Here the mask is stored,
 * as it is so much smaller than x.
 */
export function spatialDropout(graph: Graph, x: Node, rate: number, seed: Seed, stream: number): Node {
  const mask = graph.add('channelMask', [], batched(lastDim(x)), { rate, seed, stream });
  return graph.add('maskChannels', [x, mask], x.shape);
}

/** Stochastic depth (Huang et al. 2016): a row of a branch is lost as a whole, so that its residual connection alone is left. */
export function dropRows(graph: Graph, x: Node, rate: number, seed: Seed, stream: number): Node {
  const mask = graph.add('channelMask', [], batched(1), { rate, seed, stream });
  return scaleSteps(graph, x, mask);
}

/** y (rows, …) = x times `factors`: one for a whole row, or one for each of its steps (rows, T). No gradient goes to them. */
export function scaleSteps(graph: Graph, x: Node, factors: Node): Node {
  return graph.add('maskRows', [x, factors], x.shape);
}

/** Arguments of the kernel: `x` with elements dropped, to `node`. */
function dropping(x: Node, node: Node): Argument[] {
  const { rate, seed, stream } = node.attributes as { rate: number; seed: Seed; stream: number };
  const n = elementsOf(node);
  return [at(x, n), at(node, n), { units: n }, { start: n }, rate, seed.low, seed.high, stream, { own: 'step' }];
}

export const dropouts: Op[] = [
  {
    name: 'dropout',
    inPlace: true,
    gradient(graph, node, dy) {
      const { rate, seed, stream } = node.attributes as { rate: number; seed: Seed; stream: number };
      return [dropout(graph, dy, rate, seed, stream)];
    },
    lower: (node) => [{ kernel: 'dropout', args: dropping(node.inputs[0]!, node) }],
  },
  {
    // 0 or 1/(1 − rate) for each channel
    name: 'channelMask',
    lower(node) {
      const n = elementsOf(node);
      return [
        { kernel: 'fill', args: [at(node, n), { units: n }, 1] },
        { kernel: 'dropout', args: dropping(node, node) },
      ];
    },
  },
  {
    name: 'maskChannels',
    inPlace: true,
    // nothing that can be learnt makes the mask
    gradient: (graph, node, dy) => [graph.add('maskChannels', [dy, node.inputs[1]!], dy.shape), null],
    lower(node) {
      const [x, mask] = node.inputs as [Node, Node];
      const n = elementsOf(node);
      return [
        {
          kernel: 'mulChannels',
          args: [at(x, n), at(mask, lastDim(node)), at(node, n), { units: 1 }, vectorsOf(node), lastDim(node)],
        },
      ];
    },
  },
  {
    name: 'maskRows',
    inPlace: true,
    gradient: (graph, node, dy) => [graph.add('maskRows', [dy, node.inputs[1]!], dy.shape), null],
    lower(node) {
      const [x, mask] = node.inputs as [Node, Node];
      const [n, steps] = [elementsOf(node), elementsOf(mask)];
      return [{ kernel: 'mulRows', args: [at(x, n), at(mask, steps), at(node, n), { units: steps }, n / steps] }];
    },
  },
];
