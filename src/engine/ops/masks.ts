import type { Graph, Node } from '../graph/graph.ts';
import { elementwise, type Op } from './op.ts';

/** Masks: 1 where a step counts, 0 where it is padding. No gradient flows through them. */

/** y = 1 where x ≥ limit, else 0 */
export function atLeast(graph: Graph, x: Node, limit: number): Node {
  return graph.add('atLeast', [x], x.shape, { limit });
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
];
