/**
 * The graph: what is computed, before anyone decides where and by whom.
 *
 * A node is one value: an operation on other nodes. Nodes are made in order, so every input of a node stands before it.
 * Shapes are static but for the number of rows in a batch: a *batched* node of dims [T, C] holds (rows, T, C) values, and a plan made
 * for at most B rows runs on any number up to B (the last, shorter batch of an epoch needs no second plan).
 */
export interface Shape {
  /** true: there is a leading dimension, the rows of the batch */
  batched: boolean;
  dims: readonly number[];
}

export type DataType = 'f32' | 'i32';

export interface Node {
  readonly id: number;
  readonly op: string;
  readonly inputs: readonly Node[];
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly shape: Shape;
  readonly dtype: DataType;
}

export function batched(...dims: number[]): Shape {
  return { batched: true, dims };
}

export function fixed(...dims: number[]): Shape {
  return { batched: false, dims };
}

/** Elements of a fixed node, or of one row of a batched one. */
export function elementsOf(node: Node): number {
  return node.shape.dims.reduce((product, d) => product * d, 1);
}

/** Length of the last dimension; 1 for a scalar. */
export function lastDim(node: Node): number {
  return node.shape.dims.at(-1) ?? 1;
}

/** Vectors (of lastDim) in a fixed node or in one row of a batched one. */
export function vectorsOf(node: Node): number {
  return elementsOf(node) / lastDim(node);
}

/** Rows along which a fixed node is shared out among threads: its first dimension; and the elements in each. */
export function firstDim(node: Node): number {
  return node.shape.dims[0] ?? 1;
}

export function describe(node: Node): string {
  const dims = [...(node.shape.batched ? ['rows'] : []), ...node.shape.dims].join(', ');
  const name = node.attributes.name;
  return `${node.op}${typeof name === 'string' ? ` "${name}"` : ''} (${dims})`;
}

export class Graph {
  readonly nodes: Node[] = [];
  /** parameters and optimizer state, which have one place in memory whatever uses them */
  readonly named = new Map<string, Node>();

  add(
    op: string,
    inputs: readonly Node[],
    shape: Shape,
    attributes: Record<string, unknown> = {},
    dtype: DataType = 'f32',
  ): Node {
    const node: Node = { id: this.nodes.length, op, inputs, attributes, shape, dtype };
    this.nodes.push(node);
    return node;
  }
}

/** Every node that `roots` need, inputs before users, in the order a depth-first walk from the first root finds them. */
export function reachable(roots: readonly Node[]): Node[] {
  const order: Node[] = [];
  const seen = new Set<Node>();
  const stack: { node: Node; next: number }[] = [];
  for (const root of roots) {
    if (seen.has(root)) continue;
    seen.add(root);
    stack.push({ node: root, next: 0 });
    while (stack.length > 0) {
      const top = stack[stack.length - 1]!;
      const input = top.node.inputs[top.next++];
      if (input === undefined) {
        order.push(top.node);
        stack.pop();
      } else if (!seen.has(input)) {
        seen.add(input);
        stack.push({ node: input, next: 0 });
      }
    }
  }
  return order;
}

/** How many times each node is used by others reachable from `roots` (roots count once more). */
export function countUses(roots: readonly Node[]): Map<Node, number> {
  const uses = new Map<Node, number>();
  const use = (node: Node) => uses.set(node, (uses.get(node) ?? 0) + 1);
  for (const root of roots) use(root);
  for (const node of reachable(roots)) for (const input of node.inputs) use(input);
  return uses;
}
