import { batched, elementsOf, fixed, type Graph, lastDim, type Node, vectorsOf } from '../graph/graph.ts';
import { type KernelName, NO_LABEL } from '../kernels/abi.ts';
import { type Argument, at, whole } from '../plan/call.ts';
import type { Op } from './op.ts';

/**
 * Losses: one value per row, and their mean over the batch. Cross-entropies take logits, so that log(softmax) never underflows.
 *
 * A row may be a sequence: predictions (rows, T, C) against labels (rows, T) or values (rows, T, C). Its loss is then the mean over its
 * positions, of which ignored ones count as 0.
 */
export type LossDescription =
  | {
      type: 'cross_entropy';
      /** share of the target that is spread evenly over all classes (Szegedy et al. 2016) */
      labelSmoothing?: number;
      /** a label that does not count */
      ignoreIndex?: number | null;
      /** factor of each class */
      classWeights?: readonly number[] | null;
    }
  | { type: 'binary_cross_entropy' | 'mse' | 'mae' }
  | { type: 'huber'; delta: number };

const OPERATION = {
  cross_entropy: 'softmaxCrossEntropy',
  binary_cross_entropy: 'sigmoidCrossEntropy',
  mse: 'squaredError',
  mae: 'absoluteError',
  huber: 'huberError',
} as const;

/** Losses of logits against one class: they take labels, not values. */
export function takesLabels(loss: LossDescription): boolean {
  return loss.type === 'cross_entropy';
}

/** The factor of each class; null: all 1. */
export function classWeightsOf(loss: LossDescription): readonly number[] | null {
  return (loss.type === 'cross_entropy' ? loss.classWeights : null) ?? null;
}

/** The label that does not count. */
export function ignoredLabel(loss: LossDescription): number {
  return (loss.type === 'cross_entropy' ? loss.ignoreIndex : null) ?? NO_LABEL;
}

/**
 * loss (rows) of predictions (rows, C) or (rows, T, C) against labels i32 (rows) or (rows, T), or values of the predictions' shape.
 * `classWeights` (C): the factor of each class.
 */
export function rowLoss(graph: Graph, predicted: Node, target: Node, loss: LossDescription, classWeights?: Node): Node {
  if (takesLabels(loss)) {
    if (vectorsOf(predicted) !== elementsOf(target))
      throw new Error(`${loss.type}: ${elementsOf(target)} labels for ${vectorsOf(predicted)} positions a row`);
    const inputs = classWeights === undefined ? [predicted, target] : [predicted, target, classWeights];
    return graph.add(OPERATION[loss.type], inputs, batched(), {
      ignored: ignoredLabel(loss),
      parameters: parametersOf(loss),
    });
  }
  if (elementsOf(predicted) !== elementsOf(target)) {
    throw new Error(`${loss.type}: ${elementsOf(predicted)} predictions for ${elementsOf(target)} targets a row`);
  }
  return graph.add(OPERATION[loss.type], [predicted, target], batched(), { parameters: parametersOf(loss) });
}

/** The constants of its kernels, in their order. */
function parametersOf(loss: LossDescription): number[] {
  switch (loss.type) {
    case 'cross_entropy':
      return [loss.labelSmoothing ?? 0];
    case 'huber':
      return [loss.delta];
    default:
      return [];
  }
}

/** y () = mean over the rows of the batch: Σ x / Σ of what the rows count for, which is their number unless a step says otherwise */
export function meanRows(graph: Graph, x: Node): Node {
  return graph.add('meanRows', [x], fixed());
}

/** y (rows) = share of the row's labels (rows) or (rows, T) at which the largest logit is; 0 at the label `ignored` */
export function correct(graph: Graph, logits: Node, labels: Node, ignored = NO_LABEL): Node {
  if (vectorsOf(logits) !== elementsOf(labels))
    throw new Error(`correct: ${elementsOf(labels)} labels for ${vectorsOf(logits)} positions a row`);
  return graph.add('correct', [logits, labels], batched(), { ignored });
}

const constantsOf = (node: Node) => node.attributes.parameters as number[];

/** Predictions against values: kernels of (x, t, loss, rows, cols, …) and (x, t, dloss, dx, rows, cols, …). */
function valueLoss(name: KernelName, gradKernel: KernelName): Op[] {
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
          { kernel: name, args: [at(predicted, n), at(target, n), at(node, 1), { units: 1 }, n, ...constantsOf(node)] },
        ];
      },
    },
    {
      name: gradKernel,
      lower(node) {
        const [predicted, target, dloss] = node.inputs as [Node, Node, Node];
        const n = elementsOf(predicted);
        const args = [at(predicted, n), at(target, n), at(dloss, 1), at(node, n), { units: 1 }, n];
        return [{ kernel: gradKernel, args: [...args, ...constantsOf(node)] }];
      },
    },
  ];
}

/**
 * Logits against labels: kernels of (x, labels, weights, loss, rows, positions, cols, ignored, …) and the same with (dloss, dx) for loss.
 */
function labelLoss(name: KernelName, gradKernel: KernelName): Op[] {
  const sizes = (predicted: Node, node: Node): Argument[] => [
    { units: 1 },
    vectorsOf(predicted),
    lastDim(predicted),
    node.attributes.ignored as number,
    ...constantsOf(node),
  ];
  return [
    {
      name,
      gradient(graph, node, dy) {
        const [predicted, labels, weights] = node.inputs as [Node, Node, Node?];
        const inputs = [predicted, labels, dy, ...(weights === undefined ? [] : [weights])];
        return [graph.add(gradKernel, inputs, predicted.shape, node.attributes), null, null];
      },
      lower(node) {
        const [predicted, labels, weights] = node.inputs as [Node, Node, Node?];
        const from = [at(predicted, elementsOf(predicted)), at(labels, elementsOf(labels))];
        const factors = weights === undefined ? 0 : whole(weights);
        return [{ kernel: name, args: [...from, factors, at(node, 1), ...sizes(predicted, node)] }];
      },
    },
    {
      name: gradKernel,
      lower(node) {
        const [predicted, labels, dloss, weights] = node.inputs as [Node, Node, Node, Node?];
        const n = elementsOf(predicted);
        const from = [at(predicted, n), at(labels, elementsOf(labels))];
        const factors = weights === undefined ? 0 : whole(weights);
        return [{ kernel: gradKernel, args: [...from, factors, at(dloss, 1), at(node, n), ...sizes(predicted, node)] }];
      },
    },
  ];
}

export const losses: Op[] = [
  ...labelLoss('softmaxCrossEntropy', 'softmaxCrossEntropyGrad'),
  ...valueLoss('sigmoidCrossEntropy', 'sigmoidCrossEntropyGrad'),
  ...valueLoss('squaredError', 'squaredErrorGrad'),
  ...valueLoss('absoluteError', 'absoluteErrorGrad'),
  ...valueLoss('huberError', 'huberErrorGrad'),
  {
    name: 'meanRows',
    domain: () => ({ kind: 'single' }),
    // dL/dL is 1 for the loss itself, the only mean that is differentiated
    gradient: (graph, node) => [graph.add('inverseWeight', [], node.inputs[0]!.shape)],
    lower: (node) => [{ kernel: 'meanRows', args: [whole(node.inputs[0]!), whole(node), { own: 'step' }] }],
  },
  {
    name: 'inverseWeight',
    lower: (node) => [{ kernel: 'fillInverseWeight', args: [at(node, 1), { units: 1 }, { own: 'step' }] }],
  },
  {
    name: 'correct',
    lower(node) {
      const [logits, labels] = node.inputs as [Node, Node];
      const from = [at(logits, elementsOf(logits)), at(labels, elementsOf(labels)), at(node, 1)];
      const sizes = [{ units: 1 }, vectorsOf(logits), lastDim(logits), node.attributes.ignored as number];
      return [{ kernel: 'correct', args: [...from, ...sizes] }];
    },
  },
];
