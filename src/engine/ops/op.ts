import type { Graph } from '../graph/graph.ts';
import { elementsOf, firstDim, type Node } from '../graph/graph.ts';
import type { KernelName } from '../kernels/abi.ts';
import { type Argument, at, type Domain } from '../plan/call.ts';

/**
 * All there is to know of an operation, in one place: how its gradient is said in other operations, and which kernels carry it out.
 * The function that adds a node to the graph (with its shape rule) stands above its `Op` in the same file.
 */
export interface Op {
  name: string;
  /**
   * dL/d(input i) for each input, given dL/d(node), as new nodes; null where no gradient flows (labels, indices), undefined where it is not
   * known: then it must not be asked for. Absent: nothing of it can be differentiated.
   */
  gradient?(graph: Graph, node: Node, dy: Node): (Node | null | undefined)[];
  /** How the work is shared out. Default: rows when batched, first-dimension units otherwise. */
  domain?(node: Node): Domain;
  /** Kernel calls that compute the node. Absent: a leaf, or another name for its first input's buffer (`alias`). */
  lower?(node: Node): { kernel: KernelName; args: Argument[] }[];
  /**
   * Units whose calls are all done before those of the next units, and the bytes of each thread's buffer (`own: 'strip'`) for what one call
   * hands to the next: the values of a few units stay in the cache.
   */
  strip?(node: Node): { units: number; bytes: number };
  /** The node is its first input under another shape: no work, no memory. */
  alias?: boolean;
  /** Floating-point operations for one row (batched) or in all (fixed), for the choice of threads. */
  flops?(node: Node): number;
  /**
   * Values that each share of the work lays out anew, however small it is, for a batch of `rows`: packed operands. Left out: none. A product
   * whose shares are too dear is cut once for each thread, no finer.
   */
  packs?(node: Node, rows: number): number;
  /** A fixed value that every row of the batch adds to: its `flops` are those of one row. */
  sumsRows?: boolean;
  /** Inputs that the operation changes in place, by index: parameters and optimizer state. */
  writes?(node: Node): readonly number[];
  /** Has an output of its own although it `writes`. */
  makesValue?: boolean;
  /** May write its output over its first input, where nothing else needs that. */
  inPlace?: boolean;
  /** Memory of its own that outlives a step: parameters, optimizer state, tables. */
  persistent?: boolean;
}

export function defaultDomain(node: Node): Domain {
  return node.shape.batched ? { kind: 'rows' } : { kind: 'units', size: firstDim(node), of: 'rows' };
}

/** Elements in one unit of the default domain. */
export function unitElements(node: Node): number {
  return node.shape.batched ? elementsOf(node) : elementsOf(node) / firstDim(node);
}

/** Arguments of an element-wise kernel: (inputs…, output, n). */
export function elementwise(node: Node, ...inputs: Node[]): Argument[] {
  const n = unitElements(node);
  return [...inputs.map((input) => at(input, n)), at(node, n), { units: n }];
}
