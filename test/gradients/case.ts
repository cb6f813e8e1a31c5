import type { Graph, Node } from '../../src/engine/graph/graph.ts';
import type { LossDescription } from '../../src/engine/ops/losses.ts';

/** An operation inside a small network whose gradients are looked at. */
export interface Case {
  name: string;
  /** operations this case is about */
  ops: string[];
  dims: number[];
  loss?: LossDescription;
  classWeights?: number[];
  /** builds the value the loss is taken of, from x (rows, dims) and w (the fixed parameter) */
  build(graph: Graph, x: Node, w: Node): Node;
  weightDims: number[];
  /** x as values further apart than a difference reaches, where a maximum has a kink */
  apart?: boolean;
}
