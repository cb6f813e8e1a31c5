import { type Graph, type Node, reachable } from './graph/graph.ts';
import { notFinite } from './ops/clipping.ts';
import { add } from './ops/elementwise.ts';

/**
 * The losses of a batch's rows, which are not finite either where a gradient that flows back through the rows is not: so a step can be stopped before
 * any weight changes. What is looked at are the last values that belong to rows, from which the gradients of weights are made: reading them once
 * more is little beside the products they come from, and no thread waits for it. (A sum of finite values may still overflow; then the
 * weights themselves stop the next step.)
 */
export function guardGradients(graph: Graph, losses: Node, mean: Node, gradients: readonly Node[]): Node {
  const forward = new Set(reachable([mean]));
  const last = new Set<Node>();
  for (const node of reachable(gradients)) {
    if (node.shape.batched || forward.has(node)) continue;
    for (const input of node.inputs)
      if (input.shape.batched && input.dtype === 'f32' && !forward.has(input)) last.add(input);
  }
  return [...last].reduce((guard, v) => add(graph, guard, notFinite(graph, v)), losses);
}
