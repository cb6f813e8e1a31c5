import type { Graph, Node } from '../graph/graph.ts';
import type { KernelName } from '../kernels/abi.ts';
import { type Op, unitElements } from '../ops/op.ts';
import { at } from '../plan/call.ts';
import { COMMON_BLOCK } from './groups.ts';

/**
 * The gradient of a batch that is taken in parts: the sum of the parts' gradients, each of which is divided by what all the rows count for.
 * All parts but the last add to a persistent sum; the last adds that sum to its own gradient, and goes on to the update.
 */

/** sum = gradient [+ sum] */
export function accumulate(graph: Graph, gradient: Node, sum: Node): Node {
  return graph.add('accumulate', [gradient, sum], gradient.shape);
}

/** y = gradient [+ sum] */
export function addAccumulated(graph: Graph, gradient: Node, sum: Node): Node {
  return graph.add('addAccumulated', [gradient, sum], gradient.shape);
}

const kernel: KernelName = 'accumulate';

export const accumulations: Op[] = [
  {
    name: 'accumulate',
    writes: () => [1],
    lower(node) {
      const [gradient, sum] = node.inputs as [Node, Node];
      const n = unitElements(node);
      return [{ kernel, args: [at(gradient, n), at(sum, n), at(sum, n), { units: n }, { hyper: COMMON_BLOCK }] }];
    },
  },
  {
    name: 'addAccumulated',
    inPlace: true,
    lower(node) {
      const [gradient, sum] = node.inputs as [Node, Node];
      const n = unitElements(node);
      return [{ kernel, args: [at(gradient, n), at(sum, n), at(node, n), { units: n }, { hyper: COMMON_BLOCK }] }];
    },
  },
];
