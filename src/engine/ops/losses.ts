import { batched, elementsOf, fixed, type Graph, type Node } from '../graph/graph.ts';
import type { KernelName } from '../kernels/abi.ts';
import { at, whole } from '../plan/call.ts';
import type { Op } from './op.ts';

/**
 * Losses: one value per row, and their mean over the batch. Cross-entropies take logits, so that log(softmax) never underflows.
 */
export type LossDescription =
  | { type: 'cross_entropy' | 'binary_cross_entropy' | 'mse' | 'mae' }
  | { type: 'huber'; delta: number };

const OPERATION = {
  cross_entropy: 'softmaxCrossEntropy',
  binary_cross_entropy: 'sigmoidCrossEntropy',
  mse: 'squaredError',
  mae: 'absoluteError',
  huber: 'huberError',
} as const;

/** loss (rows) of predictions (rows, C) against labels i32 (rows) or values (rows, C) */
export function rowLoss(graph: Graph, predicted: Node, target: Node, loss: LossDescription): Node {
  if (loss.type !== 'cross_entropy' && elementsOf(predicted) !== elementsOf(target)) {
    throw new Error(`${loss.type}: ${elementsOf(predicted)} predictions for ${elementsOf(target)} targets a row`);
  }
  return graph.add(
    OPERATION[loss.type],
    [predicted, target],
    batched(),
    loss.type === 'huber' ? { delta: loss.delta } : {},
  );
}

/** y () = mean over the rows of the batch */
export function meanRows(graph: Graph, x: Node): Node {
  return graph.add('meanRows', [x], fixed());
}

/** y (rows) = 1 where the largest logit is the label's */
export function correct(graph: Graph, logits: Node, labels: Node): Node {
  return graph.add('correct', [logits, labels], batched());
}

const parameters = (node: Node) => (node.attributes.delta === undefined ? [] : [node.attributes.delta as number]);

function lossOps(name: KernelName & string, gradKernel: KernelName): Op[] {
  return [
    {
      name,
      gradient(graph, node, dy) {
        const [predicted, target] = node.inputs as [Node, Node];
        return [graph.add(gradKernel, [predicted, target, dy], predicted.shape, node.attributes), null];
      },
      lower(node) {
        const [predicted, target] = node.inputs as [Node, Node];
        const n = elementsOf(predicted);
        return [
          {
            kernel: name,
            args: [at(predicted, n), at(target, elementsOf(target)), at(node, 1), { units: 1 }, n, ...parameters(node)],
          },
        ];
      },
    },
    {
      name: gradKernel,
      lower(node) {
        const [predicted, target, dloss] = node.inputs as [Node, Node, Node];
        const n = elementsOf(predicted);
        return [
          {
            kernel: gradKernel,
            args: [
              at(predicted, n),
              at(target, elementsOf(target)),
              at(dloss, 1),
              at(node, n),
              { units: 1 },
              n,
              ...parameters(node),
            ],
          },
        ];
      },
    },
  ];
}

export const losses: Op[] = [
  ...lossOps('softmaxCrossEntropy', 'softmaxCrossEntropyGrad'),
  ...lossOps('sigmoidCrossEntropy', 'sigmoidCrossEntropyGrad'),
  ...lossOps('squaredError', 'squaredErrorGrad'),
  ...lossOps('absoluteError', 'absoluteErrorGrad'),
  ...lossOps('huberError', 'huberErrorGrad'),
  {
    name: 'meanRows',
    domain: () => ({ kind: 'single' }),
    // dL/dL is 1 for the loss itself, the only mean that is differentiated
    gradient: (graph, node) => [graph.add('inverseRows', [], node.inputs[0]!.shape)],
    lower: (node) => [{ kernel: 'meanRows', args: [whole(node.inputs[0]!), whole(node), { own: 'step' }] }],
  },
  {
    name: 'inverseRows',
    lower: (node) => [{ kernel: 'fillInverseRows', args: [at(node, 1), { units: 1 }, { own: 'step' }] }],
  },
  {
    name: 'correct',
    lower(node) {
      const [logits, labels] = node.inputs as [Node, Node];
      const n = elementsOf(logits);
      return [{ kernel: 'correct', args: [at(logits, n), at(labels, 1), at(node, 1), { units: 1 }, n] }];
    },
  },
];
