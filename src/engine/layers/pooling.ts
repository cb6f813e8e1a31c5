import { lastDim, type Node } from '../graph/graph.ts';
import { reshape } from '../ops/elementwise.ts';
import { averagePool2d, maxPool2d, type PoolingWindow, wholeImage } from '../ops/pooling.ts';
import type { LayerContext } from './context.ts';

export type PoolingDescription =
  | ({ type: 'max_pool2d' | 'average_pool2d'; name: string } & PoolingWindow)
  | { type: 'global_max_pool2d' | 'global_average_pool2d'; name: string };

/** x (rows, height, width, channels) */
export function pool({ graph }: LayerContext, x: Node, layer: PoolingDescription): Node {
  switch (layer.type) {
    case 'max_pool2d':
      return maxPool2d(graph, x, layer);
    case 'average_pool2d':
      return averagePool2d(graph, x, layer);
    case 'global_max_pool2d':
      return reshape(graph, maxPool2d(graph, x, wholeImage(x)), lastDim(x));
    case 'global_average_pool2d':
      return reshape(graph, averagePool2d(graph, x, wholeImage(x)), lastDim(x));
  }
}
