import { packedRows, packedWeights } from '../ops/matmul.ts';
import { elementsOf, firstDim, type Graph, lastDim, type Node, vectorsOf } from './graph.ts';
import { rewriteNodes } from './rewrite.ts';

const PRODUCTS = ['matmul', 'linear', 'matmulTransposed'];

/**
 * Elements that a thread must be spared from packing for a product to be shared out by columns: two barriers more stand against them. 100,000 take
 * about 0.1 ms.
 */
const WORTH_COLUMNS = 100_000;

/**
 * Elements of weights that are packed once for all threads: fewer cost less than is saved; more do not stay in the caches until they are read, and half of them
 * come from another core's. W1 on two threads takes 6 % longer with its 2^18 packed once, W5 with its 2^16 does not.
 */
const PACKED_ONCE = { least: 2 ** 15, most: 2 ** 17 };

/** Rows of a weight gradient from which z is packed once: two strips. */
const MANY_ROWS = 512;

/**
 * Is a product (`rows` of the batch) better shared out by columns than by rows? By rows every thread packs all of w and its share of x, by columns all of x and
 * its share of w. W1's step takes 3.6 ms on two threads instead of 5.1.
 */
function isSharedByColumns(node: Node, threads: number, rows: number): boolean {
  const n = lastDim(node);
  const spared = (n - rows * vectorsOf(node)) * lastDim(node.inputs[0]!) * (1 - 1 / threads);
  return n >= 64 * threads && spared >= WORTH_COLUMNS;
}

/**
 * Rewrites the products that `roots` need as they are best shared out between threads, for batches of `rows`: by columns, or by rows with their weights
 * packed once for all; and an update along Σ x·z of many rows, made strip by strip, with z packed once for all strips and threads.
 */
export function shareOut(graph: Graph, roots: readonly Node[], threads: number, rows: number): Node[] {
  const packed = { plain: new Map<Node, Node>(), transposed: new Map<Node, Node>() };
  const pack = (w: Node, transposed: boolean) => {
    const known = transposed ? packed.transposed : packed.plain;
    const panels = known.get(w) ?? packedWeights(graph, w, transposed);
    known.set(w, panels);
    return panels;
  };
  return rewriteNodes(graph, roots, (node, now) => {
    const [x, other, ...rest] = node.inputs.map(now) as [Node, Node];
    if (node.op === 'outerUpdate' && firstDim(node) >= MANY_ROWS)
      return graph.add(node.op, [x, packedRows(graph, other), ...rest], node.shape, node.attributes);
    if (threads === 1 || !PRODUCTS.includes(node.op)) return null;
    if (isSharedByColumns(node, threads, rows))
      return graph.add(node.op, [x, other, ...rest], node.shape, { ...node.attributes, byColumns: true });
    if (elementsOf(other) < PACKED_ONCE.least || elementsOf(other) > PACKED_ONCE.most) return null;
    const panels = pack(other, node.op === 'matmulTransposed');
    return graph.add(node.op, [x, panels, ...rest], node.shape, node.attributes);
  });
}
