import { elementsOf, type Graph, type Node } from '../graph/graph.ts';
import { parameter } from '../ops/leaves.ts';
import { type Op, unitElements } from '../ops/op.ts';
import { at } from '../plan/call.ts';
import type { Slot, Update } from './slots.ts';

/**
 * Exponential moving average of the weights (Polyak & Juditsky 1992; Tarvainen & Valpola 2017). The parameters themselves hold the average: it is
 * what is evaluated, kept as the best and saved. Training works on weights of its own beside them, which are state as an optimizer's slots are.
 */
export interface AveragingDescription {
  decay: number;
}

/** The weights that training changes, beside the parameter that holds their average. */
export function createTrainedWeights(graph: Graph, name: string, average: Node): Slot {
  const node = parameter(graph, `optimizer/ema/weights/${name}`, average.shape.dims);
  return { name: 'weights', parameterName: name, node };
}

/** average += (1 − decay)·(weights − average), once the weights have been updated */
export function averageWeights(graph: Graph, update: Update, weights: Node, average: Node, decay: number): Node {
  return graph.add('averageWeights', [weights, average, update.node], average.shape, { decay });
}

export const averagings: Op[] = [
  {
    name: 'averageWeights',
    writes: () => [1],
    flops: (node) => 3 * elementsOf(node),
    lower(node) {
      const [weights, average] = node.inputs as [Node, Node, Node];
      const n = unitElements(node);
      const decay = node.attributes.decay as number;
      return [{ kernel: 'averageUpdate', args: [at(weights, n), at(average, n), { units: n }, decay] }];
    },
  },
];
