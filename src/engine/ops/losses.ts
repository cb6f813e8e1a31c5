import { batched, elementsOf, fixed, type Graph, lastDim, type Node, vectorsOf } from '../graph/graph.ts';
import { type KernelName, NO_LABEL, StepBlock, ValueLoss } from '../kernels/abi.ts';
import { type Argument, at, whole } from '../plan/call.ts';
import type { Op } from './op.ts';
import { type PairLossDescription, pairLosses, rowLossOfPairs } from './pair-losses.ts';

/**
 * Losses: one value per row, and their mean over the batch. Cross-entropies take logits, so that log(softmax) never underflows.
 *
 * A row may be a sequence: predictions (rows, T, C) against labels (rows, T) or values (rows, T, C). Its loss is then the mean over its
 * positions, of which ignored ones count as 0.
 */
export type LossDescription = ClassLossDescription | ValueLossDescription | PairLossDescription;

interface OfClasses {
  /** a label that does not count */
  ignoreIndex?: number | null;
  /** factor of each class */
  classWeights?: readonly number[] | null;
}

/** Scores of all classes against the label of one. */
export type ClassLossDescription =
  | (OfClasses & {
      type: 'cross_entropy';
      /** share of the target that is spread evenly over all classes (Szegedy et al. 2016) */
      labelSmoothing?: number;
      /** γ: each position's loss times the probability of what is wrong to the power of it (Lin et al. 2017); not with smoothing */
      focalGamma?: number;
    })
  | (OfClasses & { type: 'hinge'; margin: number; squared: boolean });

/** Predictions against values of the same shape. */
export type ValueLossDescription =
  | { type: 'binary_cross_entropy'; positiveWeight?: number; focalGamma?: number }
  | { type: 'mse' | 'mae' | 'log_cosh' | 'poisson' | 'kl_divergence' | 'cosine' }
  | { type: 'huber'; delta: number }
  | { type: 'quantile'; level: number };

/** Losses against the label of one class: of what is predicted, or of rows against each other. */
export function takesLabels(loss: LossDescription): loss is ClassLossDescription | PairLossDescription {
  return scoresClasses(loss) || loss.type === 'contrastive' || loss.type === 'triplet';
}

/** Whether what is predicted are scores of classes, of which the largest is the answer. */
export function scoresClasses(loss: LossDescription): loss is ClassLossDescription {
  return loss.type === 'cross_entropy' || loss.type === 'hinge';
}

/** The factor of each class; null: all 1. */
export function classWeightsOf(loss: LossDescription): readonly number[] | null {
  return (scoresClasses(loss) ? loss.classWeights : null) ?? null;
}

/** The label that does not count. */
export function ignoredLabel(loss: LossDescription): number {
  return (scoresClasses(loss) ? loss.ignoreIndex : null) ?? NO_LABEL;
}

/**
 * loss (rows) of predictions (rows, C) or (rows, T, C) against labels i32 (rows) or (rows, T), or values of the predictions' shape.
 * `classWeights` (C): the factor of each class.
 */
export function rowLoss(graph: Graph, predicted: Node, target: Node, loss: LossDescription, classWeights?: Node): Node {
  if (loss.type === 'contrastive' || loss.type === 'triplet') return rowLossOfPairs(graph, predicted, target, loss);
  if (scoresClasses(loss)) {
    if (vectorsOf(predicted) !== elementsOf(target))
      throw new Error(`${loss.type}: ${elementsOf(target)} labels for ${vectorsOf(predicted)} positions a row`);
    const inputs = classWeights === undefined ? [predicted, target] : [predicted, target, classWeights];
    const [op, parameters] = classLossOf(loss);
    return graph.add(op, inputs, batched(), { ignored: ignoredLabel(loss), parameters });
  }
  if (elementsOf(predicted) !== elementsOf(target)) {
    throw new Error(`${loss.type}: ${elementsOf(predicted)} predictions for ${elementsOf(target)} targets a row`);
  }
  if (loss.type === 'kl_divergence') return graph.add('divergence', [predicted, target], batched());
  if (loss.type === 'cosine') return graph.add('cosineLoss', [predicted, target], batched());
  const [code, a = 0, b = 0] = valueLossOf(loss);
  return graph.add('valueLoss', [predicted, target], batched(), { code, parameters: [a, b] });
}

/** The operation, and the constants of its kernels in their order. */
function classLossOf(loss: ClassLossDescription): [op: string, parameters: number[]] {
  if (loss.type === 'hinge') return ['marginLoss', [loss.margin, loss.squared ? 2 : 1]];
  const { labelSmoothing = 0, focalGamma = 0 } = loss;
  if (focalGamma === 0) return ['softmaxCrossEntropy', [labelSmoothing]];
  if (labelSmoothing > 0) throw new Error('a focal loss does not smooth labels');
  return ['focalCrossEntropy', [focalGamma]];
}

function valueLossOf(loss: ValueLossDescription): [code: number, a?: number, b?: number] {
  switch (loss.type) {
    case 'mse':
      return [ValueLoss.squared];
    case 'mae':
      return [ValueLoss.absolute];
    case 'huber':
      return [ValueLoss.huber, loss.delta];
    case 'log_cosh':
      return [ValueLoss.logCosh];
    case 'quantile':
      return [ValueLoss.quantile, loss.level];
    case 'poisson':
      return [ValueLoss.poisson];
    case 'binary_cross_entropy': {
      const { positiveWeight = 1, focalGamma = 0 } = loss;
      return focalGamma === 0
        ? [ValueLoss.binaryEntropy, positiveWeight]
        : [ValueLoss.binaryFocal, positiveWeight, focalGamma];
    }
    default:
      throw new Error(`${loss.type} is no loss of single values`);
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

const constantsOf = (node: Node) => (node.attributes.parameters ?? []) as number[];
const codeOf = (node: Node) => (node.attributes.code === undefined ? [] : [node.attributes.code as number]);

/** How the gradient changes with the predictions, as a Gauss-Newton product needs it: what the curvature makes of `g`. */
type Bend = (graph: Graph, node: Node, g: Node) => Node;

/** Predictions against values: kernels of ([code,] x, t, loss, rows, cols, …) and ([code,] x, t, dloss, dx, rows, cols, …). */
function valueLosses(name: KernelName, gradKernel: KernelName, bend?: Bend): Op[] {
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
        const args = [...codeOf(node), at(predicted, n), at(target, n), at(node, 1), { units: 1 }, n];
        return [{ kernel: name, args: [...args, ...constantsOf(node)] }];
      },
    },
    {
      name: gradKernel,
      ...(bend !== undefined && { gradient: (graph, node, g) => [bend(graph, node, g), null, undefined] }),
      lower(node) {
        const [predicted, target, dloss] = node.inputs as [Node, Node, Node];
        const n = elementsOf(predicted);
        const args = [...codeOf(node), at(predicted, n), at(target, n), at(dloss, 1), at(node, n), { units: 1 }, n];
        return [{ kernel: gradKernel, args: [...args, ...constantsOf(node)] }];
      },
    },
  ];
}

/**
 * Logits against labels: kernels of (x, labels, weights, loss, rows, positions, cols, ignored, …) and the same with (dloss, dx) for loss.
 */
function labelLosses(name: KernelName, gradKernel: KernelName, bendKernel?: KernelName): Op[] {
  const sizes = (predicted: Node, node: Node): Argument[] => [
    { units: 1 },
    vectorsOf(predicted),
    lastDim(predicted),
    node.attributes.ignored as number,
    ...constantsOf(node),
  ];
  /** x, labels, weights */
  const from = (node: Node, weights?: Node): Argument[] => {
    const [predicted, labels] = node.inputs as [Node, Node];
    return [
      at(predicted, elementsOf(predicted)),
      at(labels, elementsOf(labels)),
      weights === undefined ? 0 : whole(weights),
    ];
  };
  const ops: Op[] = [
    {
      name,
      gradient(graph, node, dy) {
        const [predicted, labels, weights] = node.inputs as [Node, Node, Node?];
        const inputs = [predicted, labels, dy, ...(weights === undefined ? [] : [weights])];
        return [graph.add(gradKernel, inputs, predicted.shape, node.attributes), null, null];
      },
      lower(node) {
        const [predicted, , weights] = node.inputs as [Node, Node, Node?];
        return [{ kernel: name, args: [...from(node, weights), at(node, 1), ...sizes(predicted, node)] }];
      },
    },
    {
      name: gradKernel,
      ...(bendKernel !== undefined && {
        gradient(graph: Graph, node: Node, g: Node) {
          const [predicted, labels, dloss, weights] = node.inputs as [Node, Node, Node, Node?];
          const inputs = [predicted, labels, dloss, g, ...(weights === undefined ? [] : [weights])];
          return [graph.add(bendKernel, inputs, predicted.shape, node.attributes), null, undefined, null];
        },
      }),
      lower(node) {
        const [predicted, , dloss, weights] = node.inputs as [Node, Node, Node, Node?];
        const to = [at(dloss, 1), at(node, elementsOf(predicted))];
        return [{ kernel: gradKernel, args: [...from(node, weights), ...to, ...sizes(predicted, node)] }];
      },
    },
  ];
  if (bendKernel !== undefined) {
    ops.push({
      name: bendKernel,
      lower(node) {
        const [predicted, , dloss, v, weights] = node.inputs as [Node, Node, Node, Node, Node?];
        const n = elementsOf(predicted);
        const to = [at(dloss, 1), at(v, n), at(node, n)];
        return [{ kernel: bendKernel, args: [...from(node, weights), ...to, ...sizes(predicted, node)] }];
      },
    });
  }
  return ops;
}

const bendValues: Bend = (graph, node, g) =>
  graph.add('valueLossBend', [...node.inputs, g], node.shape, node.attributes);

/** That of a cross-entropy does not depend on the target, which sums to 1: dloss·(diag p − p·pᵀ)·g with p = softmax(x) */
const bendDivergence: Bend = (graph, node, g) => {
  const [predicted, , dloss] = node.inputs as [Node, Node, Node];
  const p = graph.add('softmax', [predicted], predicted.shape);
  return graph.add('maskRows', [graph.add('softmaxGrad', [g, p], g.shape), dloss], g.shape);
};

/** y (rows): one word of the step block for each row */
function fillFromStep(node: Node, word: number) {
  return { kernel: 'fillFromStep' as const, args: [at(node, 1), { units: 1 }, { own: 'step' as const }, word] };
}

export const losses: Op[] = [
  ...labelLosses('softmaxCrossEntropy', 'softmaxCrossEntropyGrad', 'softmaxCrossEntropyBend'),
  ...labelLosses('focalCrossEntropy', 'focalCrossEntropyGrad'),
  ...labelLosses('marginLoss', 'marginLossGrad'),
  ...valueLosses('valueLoss', 'valueLossGrad', bendValues),
  ...valueLosses('divergence', 'divergenceGrad', bendDivergence),
  ...valueLosses('cosineLoss', 'cosineLossGrad'),
  ...pairLosses,
  {
    name: 'valueLossBend',
    lower(node) {
      const [predicted, target, dloss, v] = node.inputs as [Node, Node, Node, Node];
      const n = elementsOf(node);
      const from = [at(predicted, n), at(target, n), at(dloss, 1), at(v, n), at(node, n)];
      return [{ kernel: 'valueLossBend', args: [...codeOf(node), ...from, { units: 1 }, n, ...constantsOf(node)] }];
    },
  },
  {
    name: 'meanRows',
    domain: () => ({ kind: 'single' }),
    // dL/dL is 1 for the loss itself, the only mean that is differentiated
    gradient: (graph, node) => [graph.add('inverseWeight', [], node.inputs[0]!.shape)],
    lower: (node) => [{ kernel: 'meanRows', args: [whole(node.inputs[0]!), whole(node), { own: 'step' }] }],
  },
  {
    // 1 / Σ of what the rows of an update count for
    name: 'inverseWeight',
    lower: (node) => [fillFromStep(node, StepBlock.inverseWeight)],
  },
  {
    // 1 / the rows of an update
    name: 'inverseRows',
    lower: (node) => [fillFromStep(node, StepBlock.inverseRows)],
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
