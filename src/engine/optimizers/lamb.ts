import { elementsOf, type Graph, type Node } from '../graph/graph.ts';
import { sumSquares } from '../ops/clipping.ts';
import { type Op, unitElements } from '../ops/op.ts';
import { at, whole } from '../plan/call.ts';
import type { Slot, Update } from './slots.ts';

/**
 * LAMB: AdamW's direction, scaled for each tensor to the tensor's own norm. The norms are sums over fixed chunks, with a barrier before and one
 * behind, and every thread adds the chunks' sums in the same order: the same bits for any number of threads.
 */
export interface LambDescription {
  type: 'lamb';
  beta1: number;
  beta2: number;
  epsilon: number;
  weightDecay: number;
}

/** `block`: the hyperparameter block it reads */
export function lambUpdate(
  graph: Graph,
  optimizer: LambDescription,
  target: Node,
  gradient: Node,
  block: number,
  createSlot: (name: string) => Slot,
): Update {
  const { beta1, beta2, epsilon } = optimizer;
  const slots = ['m', 'v'].map(createSlot);
  const direction = graph.add('lambDirection', [gradient, target, ...slots.map((s) => s.node)], target.shape, {
    constants: [beta1, beta2, epsilon],
    block,
  });
  const norms = [sumSquares(graph, target), sumSquares(graph, direction)];
  return { node: graph.add('lambUpdate', [direction, target, ...norms], target.shape, { block }), slots };
}

export const lambOps: Op[] = [
  {
    name: 'lambDirection',
    writes: () => [2, 3],
    makesValue: true,
    flops: (node) => 14 * elementsOf(node),
    lower(node) {
      const { constants, block } = node.attributes as { constants: number[]; block: number };
      const [gradient, target, m, v] = node.inputs as [Node, Node, Node, Node];
      const n = unitElements(node);
      const addresses = [target, gradient, m, v, node].map((tensor) => at(tensor, n));
      return [{ kernel: 'lambDirection', args: [...addresses, { units: n }, ...constants, { hyper: block }] }];
    },
  },
  {
    name: 'lambUpdate',
    writes: () => [1],
    flops: (node) => 2 * elementsOf(node),
    lower(node) {
      const [direction, target, ofTarget, ofDirection] = node.inputs as [Node, Node, Node, Node];
      const n = unitElements(node);
      const norms = [whole(ofTarget), whole(ofDirection), elementsOf(ofTarget)];
      const hyper = { hyper: node.attributes.block as number };
      return [{ kernel: 'lambUpdate', args: [at(target, n), at(direction, n), { units: n }, ...norms, hyper] }];
    },
  },
];
