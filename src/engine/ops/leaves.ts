import { type DataType, describe, elementsOf, fixed, type Graph, type Node, type Shape } from '../graph/graph.ts';
import { at, whole } from '../plan/call.ts';
import type { Op } from './op.ts';

/** Where values come from: parameters and state that live through the job, and rows gathered from resident tables. */

/** A trainable tensor, or an optimizer's slot beside one: made when first asked for, the same ever after. */
export function parameter(graph: Graph, name: string, dims: readonly number[]): Node {
  const known = graph.named.get(name);
  if (known !== undefined) {
    if (known.shape.dims.join() !== dims.join()) throw new Error(`${describe(known)} cannot be (${dims}) as well`);
    return known;
  }
  const made = graph.add('parameter', [], fixed(...dims), { name });
  graph.named.set(name, made);
  return made;
}

/** Rows that stay in memory for the whole job: (rows, dims…), as f32, i32 or bytes. */
export interface TableDescription {
  name: string;
  rows: number;
  dims: readonly number[];
  element: 'f32' | 'i32' | 'u8';
  /** u8 only: value = byte·scale + shift */
  scale?: number;
  shift?: number;
  /** elements from the beginning of one row to that of the next, where rows overlap: 1 for all windows over a sequence */
  stride?: number;
}

export function table(graph: Graph, description: TableDescription): Node {
  const dtype: DataType = description.element === 'i32' ? 'i32' : 'f32';
  return graph.add('table', [], fixed(description.rows, ...description.dims), { ...description }, dtype);
}

/** Row numbers, in the order in which batches take them: u32 (count). */
export function rowOrder(graph: Graph, name: string, count: number): Node {
  return graph.add('rowOrder', [], fixed(count), { name }, 'i32');
}

/** The batch: row r is row order[first + r] of the table. */
export function gather(graph: Graph, source: Node, order: Node): Node {
  const shape: Shape = { batched: true, dims: source.shape.dims.slice(1) };
  return graph.add('gather', [source, order], shape, {}, source.dtype);
}

/** Elements in memory of a persistent node. */
function storedElements(node: Node): number {
  const { stride } = node.attributes as { stride?: number };
  if (stride === undefined) return elementsOf(node);
  const [rows, ...row] = node.shape.dims as [number, ...number[]];
  return (rows - 1) * stride + row.reduce((product, n) => product * n, 1);
}

/** Bytes a persistent node takes. */
export function persistentBytes(node: Node): number {
  return storedElements(node) * (node.attributes.element === 'u8' ? 1 : 4);
}

export const leaves: Op[] = [
  { name: 'parameter', persistent: true },
  { name: 'table', persistent: true },
  { name: 'rowOrder', persistent: true },
  {
    name: 'gather',
    gradient: () => [null, null],
    lower(node) {
      const [source, order] = node.inputs as [Node, Node];
      const cols = elementsOf(node);
      const stride = (source.attributes.stride as number | undefined) ?? cols;
      const common = [whole(source), whole(order), at(node, cols), { start: 1 }, { units: 1 }, cols, stride];
      if (source.attributes.element !== 'u8') return [{ kernel: 'gatherRows', args: [...common, { own: 'step' }] }];
      const { scale = 1, shift = 0 } = source.attributes as { scale?: number; shift?: number };
      return [{ kernel: 'gatherRowsU8', args: [...common, scale, shift, { own: 'step' }] }];
    },
  },
];
