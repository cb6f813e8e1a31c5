import type { Node } from '../graph/graph.ts';
import type { KernelName } from '../kernels/abi.ts';

/**
 * A kernel call as the compiler writes it: arguments that do not depend on which thread runs it, or say how they do.
 *
 * A call is shared out along a *domain* of units: rows of the batch, first-dimension rows of a fixed tensor, chunks, columns. A thread gets a
 * range [start, end) of units, and the arguments follow from that range.
 */
export type Domain =
  /** each thread takes a range of the batch's rows */
  | { kind: 'rows' }
  /** each thread takes a range of `size` units: rows of a fixed tensor's first dimension, chunks of its elements, or a batched one's columns */
  | { kind: 'units'; size: number; of: 'rows' | 'chunks' | 'columns' }
  /** thread 0 alone */
  | { kind: 'single' };

export type Argument =
  | number
  /** address of `node` plus start × bytesPerUnit */
  | { node: Node; bytesPerUnit: number; offsetBytes?: number }
  /** (end − start) × factor */
  | { units: number }
  /** start × factor */
  | { start: number }
  /** rows in the whole batch × factor */
  | { rows: number }
  /** a per-thread address: packing scratch, the thread's copy of the step block, or what lives within a strip of units (Op.strip) */
  | { own: 'scratch' | 'step' | 'strip' }
  /** address of a hyperparameter block */
  | { hyper: number };

export interface Call {
  kernel: KernelName;
  domain: Domain;
  args: Argument[];
}

/**
 * Does a thread that has a range of `a` need of what is made along `b` only the values of the same range? Of columns never: what is shared out by the columns of
 * its output reads all columns of its input.
 */
export function sameDomain(a: Domain, b: Domain): boolean {
  if (a.kind === 'units' && b.kind === 'units') return a.size === b.size && a.of === b.of && a.of !== 'columns';
  return a.kind === b.kind;
}

/** An address that does not move with the range. */
export function whole(node: Node, offsetBytes = 0): Argument {
  return { node, bytesPerUnit: 0, offsetBytes };
}

/** An address that moves by `elements` 4-byte values with each unit, and lies `first` values behind the node's beginning. */
export function at(node: Node, elements: number, first = 0): Argument {
  return { node, bytesPerUnit: elements * 4, offsetBytes: first * 4 };
}
