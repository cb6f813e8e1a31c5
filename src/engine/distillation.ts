import type { Graph, Node } from './graph/graph.ts';
import type { Parameter } from './layers/context.ts';
import type { LayerDescription } from './layers/description.ts';
import { ModelBuilder } from './layers/layer.ts';
import { add, affine } from './ops/elementwise.ts';
import { rowLoss } from './ops/losses.ts';

/**
 * A teacher beside the network in training (Hinton, Vinyals & Dean 2015). It is part of the same graph: it sees each batch as the network does,
 * without dropout, and nothing flows back into it.
 *
 *     classes   (1 − alpha)·loss + alpha·T²·KL(softmax(teacher / T) ‖ softmax(student / T))
 *     values    (1 − alpha)·loss + alpha·mean (student − teacher)²
 *
 * T² makes up for gradients that fall with 1 / T².
 */
export interface DistillationDescription {
  /** the teacher's, its output layer last; for the same features and of the same output */
  layers: readonly LayerDescription[];
  kind: 'classes' | 'values';
  temperature: number;
  alpha: number;
}

const PREFIX = 'teacher/';

export interface Distilled {
  losses: Node;
  /** the teacher's, which must be filled in before the first step */
  parameters: readonly Parameter[];
  constants: ReadonlyMap<string, Float32Array>;
}

/** `losses` (rows) by the targets, `predicted` (rows, C), x: the rows' features */
export function distill(
  graph: Graph,
  { layers, kind, temperature, alpha }: DistillationDescription,
  x: Node,
  predicted: Node,
  losses: Node,
  weigh: (losses: Node) => Node,
): Distilled {
  const builder = new ModelBuilder(graph, { low: 0, high: 0 }, null, PREFIX);
  const told = builder.build(x, layers, false);
  const soften = (logits: Node) => affine(graph, logits, 1 / temperature);
  const apart =
    kind === 'values'
      ? rowLoss(graph, predicted, told, { type: 'mse' })
      : rowLoss(graph, soften(predicted), graph.add('softmax', [soften(told)], told.shape), { type: 'kl_divergence' });
  const factor = kind === 'values' ? alpha : alpha * temperature ** 2;
  return {
    losses: add(graph, affine(graph, losses, 1 - alpha), affine(graph, weigh(apart), factor)),
    parameters: builder.parameters,
    constants: builder.constants,
  };
}
