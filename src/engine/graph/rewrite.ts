import { opOf } from '../ops/registry.ts';
import { type Graph, type Node, reachable } from './graph.ts';

/**
 * What `roots` become when every node they need is replaced by what `rule` makes of it, inputs first; null: by itself, with the inputs as they are now.
 * `now` gives what an earlier node has become. Parameters, state and tables stay.
 */
export function rewriteNodes(
  graph: Graph,
  roots: readonly Node[],
  rule: (node: Node, now: (node: Node) => Node) => Node | null,
): Node[] {
  const rewritten = new Map<Node, Node>();
  const now = (node: Node) => rewritten.get(node) ?? node;
  const follow = (node: Node) =>
    node.inputs.every((input) => now(input) === input)
      ? node
      : graph.add(node.op, node.inputs.map(now), node.shape, node.attributes, node.dtype);
  for (const node of reachable(roots)) {
    if (opOf(node).persistent === true) continue;
    const to = rule(node, now) ?? follow(node);
    if (to !== node) rewritten.set(node, to);
  }
  return roots.map(now);
}
