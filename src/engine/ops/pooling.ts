import { batched, elementsOf, type Graph, type Node } from '../graph/graph.ts';
import { type Argument, at } from '../plan/call.ts';
import type { Op } from './op.ts';

/** Pooling over windows of images (height, width, channels), each channel by itself. Windows lie wholly inside the image. */
export interface PoolingWindow {
  /** [height, width], as the stride is */
  size: readonly [number, number];
  stride: readonly [number, number];
}

function places(size: number, window: number, stride: number): number {
  const count = Math.floor((size - window) / stride) + 1;
  if (count < 1) throw new Error(`pooling: a window of ${window} reaches beyond an image of ${size}`);
  return count;
}

/** (rows, height, width, channels) → (rows, ⌊(height − size)/stride⌋ + 1, …, channels) */
function pool(op: string, graph: Graph, x: Node, window: PoolingWindow): Node {
  const image = x.shape.dims as [number, number, number];
  const [down, across] = [0, 1].map((side) => places(image[side]!, window.size[side]!, window.stride[side]!));
  return graph.add(op, [x], batched(down!, across!, image[2]), { window, image });
}

/** Largest value of each window. */
export function maxPool2d(graph: Graph, x: Node, window: PoolingWindow): Node {
  return pool('maxPool2d', graph, x, window);
}

/** Mean of each window. */
export function averagePool2d(graph: Graph, x: Node, window: PoolingWindow): Node {
  return pool('averagePool2d', graph, x, window);
}

/** The window over the whole of an image. */
export function wholeImage(x: Node): PoolingWindow {
  const [height, width] = x.shape.dims as [number, number, number];
  return { size: [height, width], stride: [1, 1] };
}

interface PoolingAttributes {
  window: PoolingWindow;
  /** height, width, channels of what is pooled */
  image: readonly [number, number, number];
  /** of a gradient: what is pooled comes out of a relu, and the gradient is the one in front of it (set by the simplifier) */
  rectified?: true;
}
const attributesOf = (node: Node) => node.attributes as unknown as PoolingAttributes;

function pooled(node: Node): Argument[] {
  const { window, image } = attributesOf(node);
  const buffers = [...node.inputs, node].map((value) => at(value, elementsOf(value)));
  return [...buffers, { units: 1 }, ...image, ...window.size, ...window.stride];
}

export const poolings: Op[] = [
  {
    name: 'maxPool2d',
    gradient: (graph, node, dy) => [
      graph.add('maxPool2dGrad', [node.inputs[0]!, dy], node.inputs[0]!.shape, node.attributes),
    ],
    lower: (node) => [{ kernel: 'maxPool2d', args: pooled(node) }],
  },
  {
    name: 'maxPool2dGrad',
    // which value of a window is the largest does not change with a small step
    gradient: (graph, node, g) => [
      null,
      graph.add('maxPool2dPick', [node.inputs[0]!, g], node.inputs[1]!.shape, node.attributes),
    ],
    lower: (node) => [{ kernel: 'maxPool2dGrad', args: [...pooled(node), attributesOf(node).rectified ? 1 : 0] }],
  },
  {
    // of each window of the second input, the value at the place of the first's largest
    name: 'maxPool2dPick',
    lower: (node) => [{ kernel: 'maxPool2dPick', args: pooled(node) }],
  },
  {
    name: 'averagePool2d',
    gradient: (graph, node, dy) => [graph.add('averagePool2dGrad', [dy], node.inputs[0]!.shape, node.attributes)],
    lower: (node) => [{ kernel: 'averagePool2d', args: pooled(node) }],
  },
  {
    name: 'averagePool2dGrad',
    gradient: (graph, node, g) => [averagePool2d(graph, g, attributesOf(node).window)],
    lower: (node) => [{ kernel: 'averagePool2dGrad', args: pooled(node) }],
  },
];
