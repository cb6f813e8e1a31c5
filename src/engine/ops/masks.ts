import { elementsOf, type Graph, lastDim, type Node, vectorsOf } from '../graph/graph.ts';
import { at } from '../plan/call.ts';
import { reshape } from './elementwise.ts';
import { elementwise, type Op } from './op.ts';
import { maxPool2d } from './pooling.ts';

/** Masks: 1 where a step counts, 0 where it is padding. No gradient flows through them. */

/** y = 1 where x ≥ limit, else 0 */
export function atLeast(graph: Graph, x: Node, limit: number): Node {
  return graph.add('atLeast', [x], x.shape, { limit });
}

/** y = 1 where x is not `value`, else 0 */
export function differs(graph: Graph, x: Node, value: number): Node {
  return graph.add('differs', [x], x.shape, { value });
}

/** y (rows, …, C) = x, or `otherwise` at a step that is padding; mask (rows, T), a value for each vector of x */
export function keepSteps(graph: Graph, x: Node, mask: Node, otherwise = 0): Node {
  if (vectorsOf(x) !== elementsOf(mask))
    throw new Error(`keepSteps: a mask of ${elementsOf(mask)} steps for (${x.shape.dims})`);
  return graph.add('keepSteps', [x, mask], x.shape, { otherwise });
}

/** y = 1/x, 0 where x is 0: of shares of windows that count, which no gradient goes through */
export function reciprocal(graph: Graph, x: Node): Node {
  return graph.add('reciprocal', [x], x.shape);
}

/** The mask of windows over steps: one counts where any of its steps does. */
export function poolMask(graph: Graph, mask: Node, size: number, stride: number): Node {
  const steps = elementsOf(mask);
  const windows = maxPool2d(graph, reshape(graph, mask, 1, steps, 1), { size: [1, size], stride: [1, stride] });
  return reshape(graph, windows, elementsOf(windows));
}

export const masks: Op[] = [
  {
    name: 'atLeast',
    inPlace: true,
    gradient: () => [null],
    lower: (node) => [
      { kernel: 'atLeast', args: [...elementwise(node, node.inputs[0]!), node.attributes.limit as number] },
    ],
  },
  {
    name: 'differs',
    inPlace: true,
    gradient: () => [null],
    lower: (node) => [
      { kernel: 'differs', args: [...elementwise(node, node.inputs[0]!), node.attributes.value as number] },
    ],
  },
  {
    name: 'reciprocal',
    inPlace: true,
    gradient: () => [null],
    lower: (node) => [{ kernel: 'reciprocal', args: elementwise(node, node.inputs[0]!) }],
  },
  {
    name: 'keepSteps',
    inPlace: true,
    gradient: (graph, node, dy) => [keepSteps(graph, dy, node.inputs[1]!), null],
    lower(node) {
      const [x, mask] = node.inputs as [Node, Node];
      const n = elementsOf(node);
      const from = [at(x, n), at(mask, elementsOf(mask)), at(node, n)];
      const sizes = [{ units: vectorsOf(node) }, lastDim(node), node.attributes.otherwise as number];
      return [{ kernel: 'keepRows', args: [...from, ...sizes] }];
    },
  },
];
