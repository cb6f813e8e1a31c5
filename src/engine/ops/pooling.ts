import { batched, elementsOf, type Graph, type Node } from '../graph/graph.ts';
import { type Argument, at } from '../plan/call.ts';
import type { Op } from './op.ts';

/** Pooling over windows of images (height, width, channels), each channel by itself. Windows lie wholly inside the image. */

function places(size: number, window: number, stride: number): number {
  const count = Math.floor((size - window) / stride) + 1;
  if (count < 1) throw new Error(`pooling: a window of ${window} reaches beyond an image of ${size}`);
  return count;
}

/** What is taken of each kernelHeight × kernelWidth window: (rows, height, width, channels) → (rows, ⌊(height − kernelHeight)/stride⌋ + 1, …, channels). */
function pool(name: string) {
  return (graph: Graph, x: Node, kernelHeight: number, kernelWidth: number, stride: number): Node => {
    const [height, width, channels] = x.shape.dims as [number, number, number];
    const shape = batched(places(height, kernelHeight, stride), places(width, kernelWidth, stride), channels);
    return graph.add(name, [x], shape, { kernelHeight, kernelWidth, stride });
  };
}

export const maxPool2d = pool('maxPool2d');
export const averagePool2d = pool('averagePool2d');

/** (images, height, width, channels, kernelHeight, kernelWidth, stride) of windows over `image` */
function windows(node: Node, image: Node): Argument[] {
  const { kernelHeight, kernelWidth, stride } = node.attributes as Record<string, number>;
  return [{ units: 1 }, ...image.shape.dims, kernelHeight!, kernelWidth!, stride!];
}

const buffer = (node: Node) => at(node, elementsOf(node));

export const poolings: Op[] = [
  {
    name: 'maxPool2d',
    gradient: (graph, node, dy) => [
      graph.add('maxPool2dGrad', [node.inputs[0]!, dy], node.inputs[0]!.shape, node.attributes),
    ],
    lower(node) {
      const x = node.inputs[0]!;
      return [{ kernel: 'maxPool2d', args: [buffer(x), buffer(node), ...windows(node, x)] }];
    },
  },
  {
    name: 'maxPool2dGrad',
    lower: (node) => [
      { kernel: 'maxPool2dGrad', args: [...node.inputs.map(buffer), buffer(node), ...windows(node, node)] },
    ],
  },
  {
    name: 'averagePool2d',
    gradient: (graph, node, dy) => [graph.add('averagePool2dGrad', [dy], node.inputs[0]!.shape, node.attributes)],
    lower(node) {
      const x = node.inputs[0]!;
      return [{ kernel: 'averagePool2d', args: [buffer(x), buffer(node), ...windows(node, x)] }];
    },
  },
  {
    name: 'averagePool2dGrad',
    gradient(graph, node, g) {
      const { kernelHeight, kernelWidth, stride } = node.attributes as Record<string, number>;
      return [averagePool2d(graph, g, kernelHeight!, kernelWidth!, stride!)];
    },
    lower: (node) => [
      { kernel: 'averagePool2dGrad', args: [buffer(node.inputs[0]!), buffer(node), ...windows(node, node)] },
    ],
  },
];
