import { elementsOf, type Graph, type Node } from '../graph/graph.ts';
import { HyperBlock } from '../kernels/abi.ts';
import { parameter } from '../ops/leaves.ts';
import { type Op, unitElements } from '../ops/op.ts';
import { at } from '../plan/call.ts';

/**
 * Optimizers. An update is a node like any other: it reads a gradient and changes a parameter (and its slots) in place, by the thread that
 * made those rows of the gradient, without a barrier between.
 *
 * What changes from step to step (learning rate, bias corrections) is read from a hyperparameter block that the leader rewrites before
 * each step; there is one block per group. Group 0 decays; group 1 (biases) does not.
 */
export type OptimizerDescription =
  | { type: 'sgd'; weightDecay: number }
  | { type: 'momentum' | 'nesterov'; momentum: number; weightDecay: number }
  | { type: 'adam' | 'adamw'; beta1: number; beta2: number; epsilon: number; weightDecay: number };

export const HYPER_GROUPS = 2;

export interface Slot {
  /** `m`, `v`: the optimizer's name for it */
  name: string;
  parameterName: string;
  node: Node;
}

export interface Update {
  node: Node;
  slots: Slot[];
}

export function update(graph: Graph, optimizer: OptimizerDescription, target: Node, gradient: Node): Update {
  const parameterName = target.attributes.name as string;
  const group = target.shape.dims.length >= 2 ? 0 : 1;
  const slot = (name: string): Slot => ({
    name,
    parameterName,
    node: parameter(graph, `optimizer/${optimizer.type}/${name}/${parameterName}`, target.shape.dims),
  });
  const make = (op: string, slots: Slot[], attributes: Record<string, unknown>): Update => ({
    node: graph.add(op, [gradient, target, ...slots.map((s) => s.node)], target.shape, { ...attributes, group }),
    slots,
  });
  switch (optimizer.type) {
    case 'sgd':
      return make('sgdUpdate', [], {});
    case 'momentum':
    case 'nesterov':
      return make('momentumUpdate', [slot('v')], {
        momentum: optimizer.momentum,
        nesterov: optimizer.type === 'nesterov' ? 1 : 0,
      });
    case 'adam':
    case 'adamw': {
      const { beta1, beta2, epsilon } = optimizer;
      return make('adamUpdate', [slot('m'), slot('v')], {
        beta1,
        beta2,
        epsilon,
        decoupled: optimizer.type === 'adamw' ? 1 : 0,
      });
    }
  }
}

/** Fills one group's block for update number `t` (1 for the first). */
export function writeHyper(
  block: Float32Array,
  optimizer: OptimizerDescription,
  group: number,
  learningRate: number,
  t: number,
): void {
  block[HyperBlock.learningRate] = learningRate;
  block[HyperBlock.weightDecay] = group === 0 ? optimizer.weightDecay : 0;
  if (optimizer.type === 'adam' || optimizer.type === 'adamw') {
    block[HyperBlock.biasCorrection1] = 1 - optimizer.beta1 ** t;
    block[HyperBlock.biasCorrection2] = 1 - optimizer.beta2 ** t;
  }
}

/** (parameter, gradient, slots…) addresses and the element count. */
function stateArguments(node: Node) {
  const n = unitElements(node);
  const [gradient, target, ...slots] = node.inputs as [Node, Node, ...Node[]];
  return [at(target, n), at(gradient, n), ...slots.map((s) => at(s, n)), { units: n }];
}

const hyper = (node: Node) => ({ hyper: node.attributes.group as number });

export const updates: Op[] = [
  {
    name: 'sgdUpdate',
    writes: [1],
    flops: (node) => 2 * elementsOf(node),
    lower: (node) => [{ kernel: 'sgdUpdate', args: [...stateArguments(node), hyper(node)] }],
  },
  {
    name: 'momentumUpdate',
    writes: [1, 2],
    flops: (node) => 4 * elementsOf(node),
    lower(node) {
      const { momentum, nesterov } = node.attributes as { momentum: number; nesterov: number };
      return [{ kernel: 'momentumUpdate', args: [...stateArguments(node), momentum, nesterov, hyper(node)] }];
    },
  },
  {
    name: 'adamUpdate',
    writes: [1, 2, 3],
    flops: (node) => 12 * elementsOf(node),
    lower(node) {
      const { beta1, beta2, epsilon, decoupled } = node.attributes as {
        beta1: number;
        beta2: number;
        epsilon: number;
        decoupled: number;
      };
      return [{ kernel: 'adamUpdate', args: [...stateArguments(node), beta1, beta2, epsilon, decoupled, hyper(node)] }];
    },
  },
];
