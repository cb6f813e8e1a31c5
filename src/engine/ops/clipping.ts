import { batched, elementsOf, fixed, type Graph, type Node } from '../graph/graph.ts';
import { at, whole } from '../plan/call.ts';
import { elementwise, type Op } from './op.ts';

/**
 * Gradient clipping by value and by global norm (Pascanu et al. 2013). The norm is summed over chunks of a fixed size, whatever the number
 * of threads, and the chunks' sums are added in order by one thread: the same bits for any number.
 */
const CHUNK = 4096;

/** The sum of squares of each chunk. */
export function sumSquares(graph: Graph, tensor: Node): Node {
  return graph.add('sumSquares', [tensor], fixed(Math.ceil(elementsOf(tensor) / CHUNK)));
}

/** Every gradient scaled by min(1, maxNorm / ‖all gradients‖). */
export function clipByNorm(graph: Graph, gradients: readonly Node[], maxNorm: number): Node[] {
  const partials = gradients.map((gradient) => sumSquares(graph, gradient));
  const scale = graph.add(
    'clipScale',
    [graph.add('concatenatePartials', partials, fixed(partials.reduce((n, p) => n + elementsOf(p), 0)))],
    fixed(1),
    { maxNorm },
  );
  return gradients.map((gradient) => graph.add('scaleBy', [gradient, scale], gradient.shape));
}

export function clipByValue(graph: Graph, gradient: Node, limit: number): Node {
  return graph.add('clipValue', [gradient], gradient.shape, { limit });
}

/** y (rows): 0, and NaN where a value of the row is none or infinite. */
export function notFinite(graph: Graph, x: Node): Node {
  return graph.add('notFinite', [x], batched());
}

export const clippings: Op[] = [
  {
    name: 'notFinite',
    lower(node) {
      const x = node.inputs[0]!;
      const n = elementsOf(x);
      return [{ kernel: 'notFinite', args: [at(x, n), at(node, 1), { units: 1 }, n] }];
    },
  },
  {
    name: 'sumSquares',
    domain: (node) => ({ kind: 'units', size: elementsOf(node), of: 'chunks' }),
    lower(node) {
      const x = node.inputs[0]!;
      return [
        {
          kernel: 'sumSquaresChunks',
          args: [whole(x), elementsOf(x), CHUNK, { start: 1 }, { units: 1 }, whole(node)],
        },
      ];
    },
  },
  {
    name: 'concatenatePartials',
    domain: () => ({ kind: 'single' }),
    lower(node) {
      let offsetBytes = 0;
      return node.inputs.map((partial) => {
        const args = [whole(partial), whole(node, offsetBytes), elementsOf(partial)];
        offsetBytes += elementsOf(partial) * 4;
        return { kernel: 'copy' as const, args };
      });
    },
  },
  {
    name: 'clipScale',
    domain: () => ({ kind: 'single' }),
    lower: (node) => [
      {
        kernel: 'clipScale',
        args: [whole(node.inputs[0]!), elementsOf(node.inputs[0]!), node.attributes.maxNorm as number, whole(node)],
      },
    ],
  },
  {
    name: 'scaleBy',
    inPlace: true,
    lower(node) {
      const [x, scale] = node.inputs as [Node, Node];
      const [from, to, n] = elementwise(node, x);
      return [{ kernel: 'scaleBy', args: [from!, whole(scale), to!, n!] }];
    },
  },
  {
    name: 'clipValue',
    inPlace: true,
    lower: (node) => [
      { kernel: 'clipValue', args: [...elementwise(node, node.inputs[0]!), node.attributes.limit as number] },
    ],
  },
];
