import { batched, type Graph, type Node } from '../graph/graph.ts';
import { type Penalty, penaltySlope } from '../optimizers/penalties.ts';
import { add } from './elementwise.ts';
import { defaultDomain, type Op } from './op.ts';

/**
 * x as it is; training makes l1·Σ|x| + l2·Σx² of each row smaller as well, the mean over the rows of the update, whatever they count for
 * in the loss. The penalty is only ever seen in the gradient: the loss does not have it.
 */
export function penalizeActivity(graph: Graph, x: Node, penalty: Penalty): Node {
  return graph.add('activityPenalty', [x], x.shape, { ...penalty });
}

export const penalties: Op[] = [
  {
    name: 'activityPenalty',
    alias: true,
    domain: (node) => defaultDomain(node.inputs[0]!),
    gradient(graph, node, dy) {
      const slope = penaltySlope(graph, node.inputs[0]!, node.attributes as unknown as Penalty);
      if (slope === null) return [dy];
      const share = graph.add('inverseRows', [], batched());
      return [add(graph, dy, graph.add('maskRows', [slope, share], dy.shape))];
    },
  },
];
