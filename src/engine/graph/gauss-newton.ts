import { affine } from '../ops/elementwise.ts';
import { backpropagate, differentiate } from './differentiate.ts';
import type { Graph, Node } from './graph.ts';

/**
 * The Gauss-Newton matrix times a vector (Schraudolph 2002): Jᵀ·H·J·v, with J the derivative of the outputs by the parameters and H the second
 * derivative of the mean loss by the outputs. `vectors` has a tensor for each parameter, as what comes back.
 *
 * J·v is had by differentiating twice: Jᵀu is linear in u, whatever u is, and its derivative in the direction v is J·v. So u is never computed.
 */
export function gaussNewtonProduct(
  graph: Graph,
  mean: Node,
  outputs: readonly Node[],
  parameters: readonly Node[],
  vectors: readonly Node[],
): Node[] {
  const u = outputs.map((output) => affine(graph, output, 0));
  const transposed = backpropagate(graph, pair(outputs, u), parameters);
  const moved = backpropagate(graph, pair(transposed, vectors), u);
  const slopes = differentiate(graph, mean, outputs);
  const bent = backpropagate(graph, pair(slopes, moved), outputs);
  return backpropagate(graph, pair(outputs, bent), parameters).map((product, i) => {
    if (product === null) throw new Error(`the loss has no curvature along parameter ${i}`);
    return product;
  });
}

/** Values with what flows back to them; either may be nothing. */
function pair(values: readonly (Node | null)[], gradients: readonly (Node | null)[]): Map<Node, Node> {
  return new Map(
    values.flatMap((value, i) => {
      const gradient = gradients[i]!;
      return value === null || gradient === null ? [] : [[value, gradient] as const];
    }),
  );
}
