import { elementsOf, type Node } from '../graph/graph.ts';
import { type ActivationDescription, activate } from '../ops/activations.ts';
import { dropout } from '../ops/dropout.ts';
import { reshape } from '../ops/elementwise.ts';
import type { LayerContext } from './context.ts';

/** Layers without parameters that are one operation each. */
export type SimpleDescription =
  | { type: 'activation'; name: string; activation: ActivationDescription }
  | { type: 'dropout'; name: string; rate: number }
  | { type: 'flatten'; name: string }
  | { type: 'reshape'; name: string; shape: readonly number[] };

export function simple(context: LayerContext, x: Node, layer: SimpleDescription): Node {
  const { graph, seed } = context;
  switch (layer.type) {
    case 'activation':
      return activate(graph, x, layer.activation);
    case 'dropout':
      return context.training && layer.rate > 0 ? dropout(graph, x, layer.rate, seed, context.nextStream()) : x;
    case 'flatten':
      return reshape(graph, x, elementsOf(x));
    case 'reshape':
      return reshape(graph, x, ...layer.shape);
  }
}
