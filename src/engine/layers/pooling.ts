import type { Node } from '../graph/graph.ts';
import { reshape } from '../ops/elementwise.ts';
import { averagePool2d, maxPool2d } from '../ops/pooling.ts';
import type { LayerContext } from './context.ts';

export type PoolingDescription =
  | { type: 'max_pool2d' | 'average_pool2d'; name: string; size: number; stride: number }
  | { type: 'global_max_pool2d' | 'global_average_pool2d'; name: string };

/** x (rows, height, width, channels) */
export function pool({ graph }: LayerContext, x: Node, layer: PoolingDescription): Node {
  const [height, width, channels] = x.shape.dims as [number, number, number];
  switch (layer.type) {
    case 'max_pool2d':
      return maxPool2d(graph, x, layer.size, layer.size, layer.stride);
    case 'average_pool2d':
      return averagePool2d(graph, x, layer.size, layer.size, layer.stride);
    case 'global_max_pool2d':
      return reshape(graph, maxPool2d(graph, x, height, width, 1), channels);
    case 'global_average_pool2d':
      return reshape(graph, averagePool2d(graph, x, height, width, 1), channels);
  }
}
