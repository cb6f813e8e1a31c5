import { batched, elementsOf, firstDim, fixed, type Graph, lastDim, type Node } from '../graph/graph.ts';
import { at, whole } from '../plan/call.ts';
import type { Op } from './op.ts';

/**
 * Rows of a table by index (indices are float columns of the features), and the gradient of that: the sum of the rows' gradients by index.
 * The latter is shared out by rows of the table; every thread walks all indices in the same order.
 */

/** y (rows, …, width) = table (size, width)[ids (rows, …)] */
export function embed(graph: Graph, ids: Node, table: Node): Node {
  return graph.add('embed', [ids, table], batched(...ids.shape.dims, lastDim(table)));
}

/** table (size, width)[ids (rows, 1)] = x (rows, width): an effect */
export function storeRows(graph: Graph, ids: Node, x: Node, table: Node): Node {
  return graph.add('storeRows', [ids, x, table], batched(0));
}

function embedGradient(graph: Graph, ids: Node, dy: Node, size: number): Node {
  return graph.add('embedGrad', [ids, dy], fixed(size, lastDim(dy)));
}

export const embeddings: Op[] = [
  {
    name: 'embed',
    gradient(graph, node, dy) {
      const [ids, table] = node.inputs as [Node, Node];
      return [null, embedGradient(graph, ids, dy, firstDim(table))];
    },
    lower(node) {
      const [ids, table] = node.inputs as [Node, Node];
      const count = elementsOf(ids);
      return [
        {
          kernel: 'embed',
          args: [
            ...[at(ids, count), whole(table), at(node, elementsOf(node))],
            ...[{ units: count }, firstDim(table), lastDim(table)],
          ],
        },
      ];
    },
  },
  {
    name: 'storeRows',
    writes: () => [2],
    lower(node) {
      const [ids, x, table] = node.inputs as [Node, Node, Node];
      const width = elementsOf(x);
      return [
        { kernel: 'storeRows', args: [at(ids, 1), at(x, width), whole(table), { units: 1 }, firstDim(table), width] },
      ];
    },
  },
  {
    name: 'embedGrad',
    sumsRows: true,
    flops: (node) => elementsOf(node.inputs[1]!),
    gradient: (graph, node, dy) => [null, embed(graph, node.inputs[0]!, dy)],
    lower(node) {
      const [ids, dy] = node.inputs as [Node, Node];
      const width = lastDim(node);
      return [
        {
          kernel: 'embedGrad',
          args: [whole(ids), whole(dy), at(node, width), { rows: elementsOf(ids) }, { start: 1 }, { units: 1 }, width],
        },
      ];
    },
  },
];
