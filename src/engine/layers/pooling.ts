import { type Graph, lastDim, type Node } from '../graph/graph.ts';
import { reshape } from '../ops/elementwise.ts';
import { averagePool2d, maxPool2d, type PoolingWindow, wholeImage } from '../ops/pooling.ts';
import type { LayerContext } from './context.ts';

export type PoolingDescription =
  | ({ type: 'max_pool2d' | 'average_pool2d'; name: string } & PoolingWindow)
  | { type: 'max_pool1d' | 'average_pool1d'; name: string; size: number; stride: number }
  | { type: `global_${'max' | 'average'}_pool${'1d' | '2d'}`; name: string };

/** x (rows, height, width, channels), or (rows, length, channels), which is pooled as an image of one line. */
export function pool({ graph }: LayerContext, x: Node, layer: PoolingDescription): Node {
  const image = x.shape.dims.length === 3 ? x : reshape(graph, x, 1, ...x.shape.dims);
  switch (layer.type) {
    case 'max_pool2d':
      return maxPool2d(graph, image, layer);
    case 'average_pool2d':
      return averagePool2d(graph, image, layer);
    case 'max_pool1d':
      return asSequence(graph, maxPool2d(graph, image, along(layer)));
    case 'average_pool1d':
      return asSequence(graph, averagePool2d(graph, image, along(layer)));
    case 'global_average_pool1d':
    case 'global_average_pool2d':
      return reshape(graph, averagePool2d(graph, image, wholeImage(image)), lastDim(x));
    case 'global_max_pool1d':
    case 'global_max_pool2d':
      return reshape(graph, maxPool2d(graph, image, wholeImage(image)), lastDim(x));
  }
}

function along({ size, stride }: { size: number; stride: number }): PoolingWindow {
  return { size: [1, size], stride: [1, stride] };
}

function asSequence(graph: Graph, line: Node): Node {
  return reshape(graph, line, ...line.shape.dims.slice(1));
}
