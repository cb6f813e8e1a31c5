import { batched, elementsOf, type Graph, type Node } from '../graph/graph.ts';
import { type Argument, at } from '../plan/call.ts';
import type { Op } from './op.ts';

/** Pooling over windows of images (height, width, channels), each channel by itself. Windows lie wholly inside the image. */

function places(size: number, window: number, stride: number): number {
  const count = Math.floor((size - window) / stride) + 1;
  if (count < 1) throw new Error(`pooling: a window of ${window} reaches beyond an image of ${size}`);
  return count;
}

/** Largest value of each window (rows, height, width, channels) → (rows, ⌊(height − size)/stride⌋ + 1, …, channels). */
export function maxPool2d(graph: Graph, x: Node, size: number, stride: number): Node {
  const [height, width, channels] = x.shape.dims as [number, number, number];
  const shape = batched(places(height, size, stride), places(width, size, stride), channels);
  return graph.add('maxPool2d', [x], shape, { size, stride });
}

/** Mean of each kernelHeight × kernelWidth window. */
export function averagePool2d(graph: Graph, x: Node, kernelHeight: number, kernelWidth: number, stride: number): Node {
  const [height, width, channels] = x.shape.dims as [number, number, number];
  const shape = batched(places(height, kernelHeight, stride), places(width, kernelWidth, stride), channels);
  return graph.add('averagePool2d', [x], shape, { kernelHeight, kernelWidth, stride, height, width });
}

function averagingArguments(node: Node, channels: number): Argument[] {
  const { height, width, kernelHeight, kernelWidth, stride } = node.attributes as Record<string, number>;
  return [{ units: 1 }, height!, width!, channels, kernelHeight!, kernelWidth!, stride!];
}

export const poolings: Op[] = [
  {
    name: 'maxPool2d',
    gradient: (graph, node, dy) => [
      graph.add('maxPool2dGrad', [node.inputs[0]!, dy], node.inputs[0]!.shape, node.attributes),
    ],
    lower(node) {
      const x = node.inputs[0]!;
      const { size, stride } = node.attributes as { size: number; stride: number };
      return [
        {
          kernel: 'maxPool2d',
          args: [at(x, elementsOf(x)), at(node, elementsOf(node)), { units: 1 }, ...x.shape.dims, size, stride],
        },
      ];
    },
  },
  {
    name: 'maxPool2dGrad',
    lower(node) {
      const [x, dy] = node.inputs as [Node, Node];
      const { size, stride } = node.attributes as { size: number; stride: number };
      const buffers = [at(x, elementsOf(x)), at(dy, elementsOf(dy)), at(node, elementsOf(node))];
      return [{ kernel: 'maxPool2dGrad', args: [...buffers, { units: 1 }, ...x.shape.dims, size, stride] }];
    },
  },
  {
    name: 'averagePool2d',
    gradient: (graph, node, dy) => [graph.add('averagePool2dGrad', [dy], node.inputs[0]!.shape, node.attributes)],
    lower(node) {
      const x = node.inputs[0]!;
      const channels = x.shape.dims[2]!;
      const args = [at(x, elementsOf(x)), at(node, elementsOf(node)), ...averagingArguments(node, channels)];
      return [{ kernel: 'averagePool2d', args }];
    },
  },
  {
    name: 'averagePool2dGrad',
    gradient(graph, node, g) {
      const { kernelHeight, kernelWidth, stride } = node.attributes as Record<string, number>;
      return [averagePool2d(graph, g, kernelHeight!, kernelWidth!, stride!)];
    },
    lower(node) {
      const dy = node.inputs[0]!;
      const channels = node.shape.dims[2]!;
      const args = [at(dy, elementsOf(dy)), at(node, elementsOf(node)), ...averagingArguments(node, channels)];
      return [{ kernel: 'averagePool2dGrad', args }];
    },
  },
];
