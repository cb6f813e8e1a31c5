import { add } from '../ops/elementwise.ts';
import { opOf } from '../ops/registry.ts';
import { describe, type Graph, type Node, reachable } from './graph.ts';

/**
 * Reverse-mode differentiation as a graph transformation: adds nodes for dL/d(w) of each `w`, and returns them in order. What comes out is graph
 * again, so it can be simplified, compiled, or differentiated once more.
 *
 * `loss` must be a mean over rows. A `w` that the loss does not depend on gets null.
 */
export function differentiate(graph: Graph, loss: Node, wrt: readonly Node[]): (Node | null)[] {
  if (loss.op !== 'meanRows') throw new Error(`only a mean over rows can be differentiated, not ${describe(loss)}`);
  return backpropagate(graph, new Map([[loss, loss]]), wrt);
}

/**
 * The gradient of Σ value·seed by each of `wrt`, for values with a seed each. Walks back through every node that depends on one of `wrt`; where a
 * value is used several times, the gradients of its uses are added in the order of use.
 */
export function backpropagate(graph: Graph, seeds: ReadonlyMap<Node, Node>, wrt: readonly Node[]): (Node | null)[] {
  const forward = reachable([...seeds.keys()]);
  const leads = new Set<Node>(wrt);
  for (const node of forward) if (node.inputs.some((input) => leads.has(input))) leads.add(node);

  const gradients = new Map(seeds);
  for (const node of forward.toReversed()) {
    const dy = gradients.get(node);
    if (dy === undefined || !node.inputs.some((input) => leads.has(input))) continue;
    const { gradient } = opOf(node);
    if (gradient === undefined) throw new Error(`${describe(node)} has no gradient`);
    gradient(graph, node, dy).forEach((dx, i) => {
      const input = node.inputs[i];
      if (dx === null || input === undefined || !leads.has(input)) return;
      if (dx === undefined) throw new Error(`${describe(node)} has no gradient by its input ${i}`);
      const sum = gradients.get(input);
      gradients.set(input, sum === undefined ? dx : add(graph, sum, dx));
    });
  }
  return wrt.map((w) => gradients.get(w) ?? null);
}
