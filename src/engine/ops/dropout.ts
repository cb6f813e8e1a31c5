import { elementsOf, type Graph, type Node } from '../graph/graph.ts';
import { at } from '../plan/call.ts';
import type { Seed } from '../random.ts';
import type { Op } from './op.ts';

/**
 * Inverted dropout (Srivastava et al. 2014). The mask is a function of (seed, stream, step, element), so it is never stored: the
 * gradient draws it again.
 */
export function dropout(graph: Graph, x: Node, rate: number, seed: Seed, stream: number): Node {
  return graph.add('dropout', [x], x.shape, { rate, seed, stream });
}

export const dropouts: Op[] = [
  {
    name: 'dropout',
    inPlace: true,
    gradient(graph, node, dy) {
      const { rate, seed, stream } = node.attributes as { rate: number; seed: Seed; stream: number };
      return [dropout(graph, dy, rate, seed, stream)];
    },
    lower(node) {
      const { rate, seed, stream } = node.attributes as { rate: number; seed: Seed; stream: number };
      const n = elementsOf(node);
      return [
        {
          kernel: 'dropout',
          args: [
            at(node.inputs[0]!, n),
            at(node, n),
            { units: n },
            { start: n },
            rate,
            seed.low,
            seed.high,
            stream,
            { own: 'step' },
          ],
        },
      ];
    },
  },
];
