import { elementsOf, type Graph, lastDim, type Node, vectorsOf } from '../graph/graph.ts';
import { at } from '../plan/call.ts';
import type { Op } from './op.ts';

/**
 * Values side by side along the last dimension, and taking one part of them out again:
 *   concatenate   y (rows, …, a + b + …) = x₁ (rows, …, a), x₂ (rows, …, b), …
 *   columns       y (rows, …, count) = x (rows, …, first … first + count)
 * Each is the other's gradient; `columnsGrad` has zeros in the places that were not taken.
 */
export function concatenate(graph: Graph, inputs: readonly Node[]): Node {
  const [first] = inputs as [Node];
  const head = first.shape.dims.slice(0, -1);
  for (const { shape } of inputs) {
    if (shape.batched !== first.shape.batched || shape.dims.slice(0, -1).join() !== head.join())
      throw new Error(`concatenate: shapes (${first.shape.dims}) and (${shape.dims}) differ before the last dimension`);
  }
  const width = inputs.reduce((sum, x) => sum + lastDim(x), 0);
  return graph.add('concatenate', inputs, { batched: first.shape.batched, dims: [...head, width] });
}

export function columns(graph: Graph, x: Node, first: number, count: number): Node {
  if (first < 0 || first + count > lastDim(x)) throw new Error(`columns ${first} … ${first + count} of ${lastDim(x)}`);
  const dims = [...x.shape.dims.slice(0, -1), count];
  return graph.add('columns', [x], { batched: x.shape.batched, dims }, { first });
}

function columnsGradient(graph: Graph, dy: Node, like: Node, first: number): Node {
  return graph.add('columnsGrad', [dy], like.shape, { first });
}

const firstOf = (node: Node) => node.attributes.first as number;

/** Moves `count` columns of each vector (of a batched node; a fixed one is taken as one unit) from `from` (beginning at its column `source`) to `to` (at its column `target`). */
function move(from: Node, source: number, to: Node, target: number, count: number) {
  return {
    kernel: 'copyColumns' as const,
    args: [
      at(from, elementsOf(from), source),
      lastDim(from),
      at(to, elementsOf(to), target),
      lastDim(to),
      { units: vectorsOf(to) },
      count,
    ],
  };
}

const domain = (node: Node) =>
  node.shape.batched ? ({ kind: 'rows' } as const) : ({ kind: 'units', size: 1, of: 'chunks' } as const);

export const concatenations: Op[] = [
  {
    name: 'concatenate',
    domain,
    gradient(graph, node, dy) {
      let first = 0;
      return node.inputs.map((x) => {
        const dx = columns(graph, dy, first, lastDim(x));
        first += lastDim(x);
        return dx;
      });
    },
    lower(node) {
      let first = 0;
      return node.inputs.map((x) => {
        const call = move(x, 0, node, first, lastDim(x));
        first += lastDim(x);
        return call;
      });
    },
  },
  {
    name: 'columns',
    domain,
    gradient: (graph, node, dy) => [columnsGradient(graph, dy, node.inputs[0]!, firstOf(node))],
    lower: (node) => [move(node.inputs[0]!, firstOf(node), node, 0, lastDim(node))],
  },
  {
    name: 'columnsGrad',
    domain,
    gradient: (graph, node, dy) => [columns(graph, dy, firstOf(node), lastDim(node.inputs[0]!))],
    lower: (node) => [
      { kernel: 'fill', args: [at(node, elementsOf(node)), { units: elementsOf(node) }, 0] },
      move(node.inputs[0]!, 0, node, firstOf(node), lastDim(node.inputs[0]!)),
    ],
  },
];
