import { batched, type Graph, type Node } from '../graph/graph.ts';
import { type Penalty, penaltySlope } from '../optimizers/penalties.ts';
import { scaleSteps } from './dropout.ts';
import { add } from './elementwise.ts';
import { keepSteps } from './masks.ts';
import { defaultDomain, type Op } from './op.ts';

/**
 * x as it is; training makes l1·Σ|x| + l2·Σx² of each row smaller as well, the mean over the rows of the update, whatever they count for
 * in the loss. Steps that `mask` says are padding have no part in it. The penalty is only ever seen in the gradient: the loss does not have it.
 */
export function penalizeActivity(graph: Graph, x: Node, penalty: Penalty, mask?: Node): Node {
  return graph.add('activityPenalty', mask === undefined ? [x] : [x, mask], x.shape, { ...penalty });
}

export const penalties: Op[] = [
  {
    name: 'activityPenalty',
    alias: true,
    domain: (node) => defaultDomain(node.inputs[0]!),
    gradient(graph, node, dy) {
      const [x, mask] = node.inputs as [Node, Node?];
      const rest = mask === undefined ? [] : [null];
      const counted = mask === undefined ? x : keepSteps(graph, x, mask);
      const slope = penaltySlope(graph, counted, node.attributes as unknown as Penalty);
      if (slope === null) return [dy, ...rest];
      const share = graph.add('inverseRows', [], batched());
      return [add(graph, dy, scaleSteps(graph, slope, share)), ...rest];
    },
  },
];
