import { batched, elementsOf, type Graph, type Node } from '../graph/graph.ts';
import { at } from '../plan/call.ts';
import type { Op } from './op.ts';

/** Operations that move values to other places of the same row. */

type Dims3 = [number, number, number];

/** Zeros around an image. */
export interface Padding {
  top: number;
  bottom: number;
  left: number;
  right: number;
}

/** x (rows, height, width, channels) inside zeros: y (rows, top + height + bottom, left + width + right, channels) */
export function pad2d(graph: Graph, x: Node, padding: Padding): Node {
  const [height, width, channels] = x.shape.dims as Dims3;
  const { top, bottom, left, right } = padding;
  return graph.add('pad2d', [x], batched(top + height + bottom, left + width + right, channels), { padding });
}

/** x without its edges. */
function crop2d(graph: Graph, x: Node, padding: Padding): Node {
  const [height, width, channels] = x.shape.dims as Dims3;
  const { top, bottom, left, right } = padding;
  return graph.add('crop2d', [x], batched(height - top - bottom, width - left - right, channels), { padding });
}

/** Dimension i of y is dimension order[i] of x; the rows of the batch stay where they are. */
export function permute(graph: Graph, x: Node, order: readonly number[]): Node {
  const { dims } = x.shape;
  if (order.toSorted().join() !== [...dims.keys()].join())
    throw new Error(`permute: [${order}] is no order of the dimensions of (${dims})`);
  return graph.add('permute', [x], batched(...order.map((i) => dims[i]!)), { order });
}

/** Each pixel factor × factor times: y (rows, height·factor, width·factor, channels) */
export function upsample2d(graph: Graph, x: Node, factor: number): Node {
  const [height, width, channels] = x.shape.dims as Dims3;
  return graph.add('upsample2d', [x], batched(height * factor, width * factor, channels), { factor });
}

const paddingOf = (node: Node) => node.attributes.padding as Padding;
const orderOf = (node: Node) => node.attributes.order as readonly number[];
const factorOf = (node: Node) => node.attributes.factor as number;

/** Moves an image, line by line, between its own buffer and its place inside a larger image. */
function moveLines(from: Node, to: Node, small: Node, large: Node) {
  const [height, width, channels] = small.shape.dims as Dims3;
  const across = large.shape.dims[1]!;
  const { top, left } = paddingOf(to);
  const first = (top * across + left) * channels;
  const [begin, line] = [(node: Node) => (node === large ? first : 0), (node: Node) => node.shape.dims[1]! * channels];
  return {
    kernel: 'copyStrided' as const,
    args: [
      at(from, elementsOf(from), begin(from)),
      at(to, elementsOf(to), begin(to)),
      ...[{ units: 1 }, height, 1, width * channels],
      ...[elementsOf(from), line(from), 0, 1],
      ...[elementsOf(to), line(to), 0, 1],
    ],
  };
}

/** Distance in elements between two neighbours along each dimension of a row. */
function stridesOf({ shape: { dims } }: Node): number[] {
  return dims.map((_, i) => dims.slice(i + 1).reduce((product, n) => product * n, 1));
}

export const movements: Op[] = [
  {
    name: 'pad2d',
    gradient: (graph, node, dy) => [crop2d(graph, dy, paddingOf(node))],
    lower(node) {
      const x = node.inputs[0]!;
      const n = elementsOf(node);
      return [{ kernel: 'fill', args: [at(node, n), { units: n }, 0] }, moveLines(x, node, x, node)];
    },
  },
  {
    name: 'crop2d',
    gradient: (graph, node, dy) => [pad2d(graph, dy, paddingOf(node))],
    lower: (node) => [moveLines(node.inputs[0]!, node, node, node.inputs[0]!)],
  },
  {
    name: 'permute',
    gradient(graph, node, dy) {
      const order = orderOf(node);
      return [
        permute(
          graph,
          dy,
          order.map((_, i) => order.indexOf(i)),
        ),
      ];
    },
    lower(node) {
      const x = node.inputs[0]!;
      const strides = stridesOf(x);
      // the kernel has three dimensions beside the rows
      const missing = 3 - node.shape.dims.length;
      const three = (values: readonly number[], filler: number) => [...Array<number>(missing).fill(filler), ...values];
      return [
        {
          kernel: 'copyStrided',
          args: [
            at(x, elementsOf(x)),
            at(node, elementsOf(node)),
            { units: 1 },
            ...three(node.shape.dims, 1),
            ...[
              elementsOf(x),
              ...three(
                orderOf(node).map((i) => strides[i]!),
                0,
              ),
            ],
            ...[elementsOf(node), ...three(stridesOf(node), 0)],
          ],
        },
      ];
    },
  },
  {
    name: 'upsample2d',
    gradient: (graph, node, dy) => [graph.add('upsample2dGrad', [dy], node.inputs[0]!.shape, node.attributes)],
    lower(node) {
      const x = node.inputs[0]!;
      const buffers = [at(x, elementsOf(x)), at(node, elementsOf(node))];
      return [{ kernel: 'upsample2d', args: [...buffers, { units: 1 }, ...x.shape.dims, factorOf(node)] }];
    },
  },
  {
    name: 'upsample2dGrad',
    gradient: (graph, node, g) => [upsample2d(graph, g, factorOf(node))],
    lower(node) {
      const dy = node.inputs[0]!;
      const buffers = [at(dy, elementsOf(dy)), at(node, elementsOf(node))];
      return [{ kernel: 'upsample2dGrad', args: [...buffers, { units: 1 }, ...node.shape.dims, factorOf(node)] }];
    },
  },
];
