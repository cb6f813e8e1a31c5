import { type Graph, type Node, reachable } from './graph.ts';

/** What `roots` compute, with other nodes in the place of some. */
export function substitute(graph: Graph, roots: readonly Node[], replacements: ReadonlyMap<Node, Node>): Node[] {
  const now = new Map(replacements);
  for (const node of reachable(roots)) {
    if (now.has(node)) continue;
    const inputs = node.inputs.map((input) => now.get(input)!);
    const isSame = inputs.every((input, i) => input === node.inputs[i]);
    now.set(node, isSame ? node : graph.add(node.op, inputs, node.shape, node.attributes, node.dtype));
  }
  return roots.map((root) => now.get(root)!);
}
