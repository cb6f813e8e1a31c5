import type { Node } from '../graph/graph.ts';
import { concatenate } from '../ops/concatenate.ts';
import { add, multiply } from '../ops/elementwise.ts';
import type { LayerContext } from './context.ts';

export interface MergeDescription {
  type: 'add' | 'multiply' | 'concatenate';
  name: string;
}

export function merge({ graph }: LayerContext, inputs: readonly Node[], { type }: MergeDescription): Node {
  if (type === 'concatenate') return concatenate(graph, inputs);
  const join = type === 'add' ? add : multiply;
  return inputs.reduce((sum, x) => join(graph, sum, x));
}
