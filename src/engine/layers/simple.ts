import { elementsOf, lastDim, type Node } from '../graph/graph.ts';
import { type ActivationDescription, activate } from '../ops/activations.ts';
import { columns, concatenate } from '../ops/concatenate.ts';
import { dropout, dropRows, spatialDropout } from '../ops/dropout.ts';
import { multiply, reshape } from '../ops/elementwise.ts';
import { type Padding, pad2d, permute, upsample2d } from '../ops/movement.ts';
import { penalizeActivity } from '../ops/penalty.ts';
import type { LayerContext } from './context.ts';
import { interpolate2d } from './interpolation.ts';

/** Layers without parameters that are one operation each. */
export type SimpleDescription =
  | { type: 'activation'; name: string; activation: ActivationDescription }
  | { type: 'dropout' | 'spatial_dropout' | 'stochastic_depth'; name: string; rate: number }
  | { type: 'activity_regularization'; name: string; l1: number; l2: number }
  | { type: 'flatten'; name: string }
  | { type: 'reshape'; name: string; shape: readonly number[] }
  | { type: 'permute'; name: string; order: readonly number[] }
  | ({ type: 'zero_padding2d'; name: string } & Padding)
  | { type: 'zero_padding1d'; name: string; before: number; after: number }
  | { type: 'upsample1d'; name: string; factor: number }
  | { type: 'upsample2d'; name: string; factor: number; method?: 'nearest' | 'bilinear' }
  /** a · activation(b) of the first and the second half of each vector */
  | { type: 'glu'; name: string; activation: ActivationDescription }
  /** `count` values of the last dimension from `first` on */
  | { type: 'columns'; name: string; first: number; count: number };

const DROP = { dropout, spatial_dropout: spatialDropout, stochastic_depth: dropRows } as const;

export function simple(context: LayerContext, x: Node, layer: SimpleDescription): Node {
  const { graph, seed } = context;
  switch (layer.type) {
    case 'activation':
      return activate(graph, x, layer.activation);
    case 'dropout':
    case 'spatial_dropout':
    case 'stochastic_depth':
      if (!context.training || layer.rate === 0) return x;
      return DROP[layer.type](graph, x, layer.rate, seed, context.nextStream());
    case 'activity_regularization':
      return context.training ? penalizeActivity(graph, x, { l1: layer.l1, l2: layer.l2 }, context.masks.get(x)) : x;
    case 'flatten':
      return reshape(graph, x, elementsOf(x));
    case 'reshape':
      return reshape(graph, x, ...layer.shape);
    case 'permute':
      return permute(graph, x, layer.order);
    case 'zero_padding2d':
      return pad2d(graph, x, layer);
    case 'zero_padding1d': {
      const line = reshape(graph, x, 1, ...x.shape.dims);
      const padded = pad2d(graph, line, { top: 0, bottom: 0, left: layer.before, right: layer.after });
      return reshape(graph, padded, ...padded.shape.dims.slice(1));
    }
    case 'upsample1d': {
      // each vector several times side by side is each step several times
      const [steps, width] = x.shape.dims as [number, number];
      const copies = concatenate(graph, Array<Node>(layer.factor).fill(x));
      return reshape(graph, copies, steps * layer.factor, width);
    }
    case 'upsample2d':
      return layer.method === 'bilinear'
        ? interpolate2d(context, x, layer.name, layer.factor)
        : upsample2d(graph, x, layer.factor);
    case 'glu': {
      const half = lastDim(x) / 2;
      return multiply(
        graph,
        columns(graph, x, 0, half),
        activate(graph, columns(graph, x, half, half), layer.activation),
      );
    }
    case 'columns':
      return columns(graph, x, layer.first, layer.count);
  }
}
