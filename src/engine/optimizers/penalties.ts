import type { Graph, Node } from '../graph/graph.ts';
import { add, affine } from '../ops/elementwise.ts';
import { atLeast } from '../ops/masks.ts';

/**
 * Penalties on large values: l1·Σ|x| + l2·Σx². They are part of what training makes smaller, and no part of the losses that are reported, so that
 * those of training and of held-out rows can be compared.
 */
export interface Penalty {
  l1: number;
  l2: number;
}

/** Smaller magnitudes count as 0, which has no sign. */
const SMALLEST = 1.2e-38;

/** The slope of the penalty: l1·sign(x) + 2·l2·x; null where there is none. */
export function penaltySlope(graph: Graph, x: Node, { l1, l2 }: Penalty): Node | null {
  const square = l2 === 0 ? null : affine(graph, x, 2 * l2);
  if (l1 === 0) return square;
  const steps = add(graph, atLeast(graph, x, SMALLEST), atLeast(graph, x, -SMALLEST));
  const sign = affine(graph, steps, l1, -l1);
  return square === null ? sign : add(graph, sign, square);
}

/** Of values as they are, in f64. */
export function penaltyOf(x: Float32Array, { l1, l2 }: Penalty): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += l1 * Math.abs(x[i]!) + l2 * x[i]! * x[i]!;
  return sum;
}
