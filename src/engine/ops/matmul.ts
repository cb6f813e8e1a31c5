import { batched, elementsOf, firstDim, fixed, type Graph, lastDim, type Node, vectorsOf } from '../graph/graph.ts';
import { Activation, GemmFlag, type KernelName } from '../kernels/abi.ts';
import { type Argument, at, type Domain, whole } from '../plan/call.ts';
import { defaultDomain, type Op } from './op.ts';

/**
 * Matrix products. Three forms, closed under differentiation:
 *   rows     y (rows, …, N) = x (rows, …, K) · w (K, N)           forward
 *   rowsT    y (rows, …, K) = x (rows, …, N) · w (K, N)ᵀ          gradient to the input
 *   outer    y (K, N) = Σ over rows of x (rows, …, K)ᵀ · z (rows, …, N)   gradient to the weights
 * The first two are shared out by rows of the batch, or, with more weights than rows, by columns of the output; the third by rows of its output.
 * Each element is summed in one order, whoever does it.
 */

export function matmul(graph: Graph, x: Node, w: Node): Node {
  const [k, n] = w.shape.dims as [number, number];
  if (!x.shape.batched || lastDim(x) !== k) throw new Error(`matmul: (…, ${lastDim(x)}) does not fit (${k}, ${n})`);
  return graph.add('matmul', [x, w], batched(...x.shape.dims.slice(0, -1), n));
}

/** y (rows, …, K) = x (rows, …, N) · w (K, N)ᵀ */
export function matmulTransposed(graph: Graph, x: Node, w: Node): Node {
  const [k, n] = w.shape.dims as [number, number];
  if (lastDim(x) !== n) throw new Error(`matmulTransposed: (…, ${lastDim(x)}) does not fit (${k}, ${n}) transposed`);
  return graph.add('matmulTransposed', [x, w], batched(...x.shape.dims.slice(0, -1), k));
}

/** y (K, N) = Σ over rows of x (rows, …, K)ᵀ · z (rows, …, N) */
export function outerSum(graph: Graph, x: Node, z: Node): Node {
  return graph.add('outerSum', [x, z], fixed(lastDim(x), lastDim(z)));
}

/** The epilogue of a product: set by the simplifier on a `linear` node, which is matmul + bias + activation in one call. */
export interface Epilogue {
  hasBias: boolean;
  activation: keyof typeof Activation;
  alpha: number;
}

/**
 * Elements that a thread must be spared from packing for a product to be shared out by columns: two barriers more stand against them. 100,000 take
 * about 0.1 ms.
 */
const WORTH_COLUMNS = 100_000;

/**
 * Is a product (`rows` of the batch) better shared out by columns than by rows? By rows every thread packs all of w and its share of x, by columns all of x and
 * its share of w. W1's step takes 3.6 ms on two threads instead of 5.1.
 */
function isSharedByColumns(node: Node, threads: number, rows: number): boolean {
  const n = lastDim(node);
  const spared = (n - rows * vectorsOf(node)) * lastDim(node.inputs[0]!) * (1 - 1 / threads);
  return n >= 64 * threads && spared >= WORTH_COLUMNS;
}

/** Elements of weights that are packed once for all threads: fewer cost less than is saved, more do not stay in the caches until they are read. */
const PACKED_ONCE = { least: 2 ** 15, most: 2 ** 20 };

/** Rewrites products as they are best shared out between threads, for batches of `rows`. */
export function createSharing(graph: Graph, threads: number, rows: number): (node: Node) => Node {
  const packed = new Map<Node, Node>();
  return (node) => {
    if (threads === 1 || !['matmul', 'linear', 'matmulTransposed'].includes(node.op)) return node;
    if (isSharedByColumns(node, threads, rows))
      return graph.add(node.op, node.inputs, node.shape, { ...node.attributes, byColumns: true });
    const [x, w, ...rest] = node.inputs as [Node, Node];
    const isPacked = w.op === 'packedWeights';
    if (isPacked || elementsOf(w) < PACKED_ONCE.least || elementsOf(w) > PACKED_ONCE.most) return node;
    const transposed = node.op === 'matmulTransposed';
    const known = packed.get(w);
    const panels = known?.attributes.transposed === transposed ? known : packedWeights(graph, w, transposed);
    packed.set(w, panels);
    return graph.add(node.op, [x, panels, ...rest], node.shape, node.attributes);
  };
}

const isByColumns = (node: Node) => node.attributes.byColumns === true;

function lowerProduct(node: Node, transposed: boolean) {
  const [x, w, bias] = node.inputs as [Node, Node, Node | undefined];
  const epilogue = node.attributes as Partial<Epilogue>;
  const perRow = vectorsOf(node);
  const n = lastDim(node);
  const k = lastDim(x);
  const columns = isByColumns(node);
  const order = w.op === 'packedWeights' ? GemmFlag.packedB : transposed ? GemmFlag.transposeB : 0;
  const flags = order | (epilogue.hasBias ? GemmFlag.bias : 0);
  // a column of y is a column of w, or a row of a transposed one
  const columnOfW = transposed ? lastDim(w) : 1;
  return [
    {
      kernel: 'gemm' as const,
      args: [
        flags,
        columns ? { rows: perRow } : { units: perRow },
        columns ? { units: 1 } : n,
        k,
        columns ? whole(x) : at(x, perRow * k),
        k,
        columns ? at(w, columnOfW) : whole(w),
        lastDim(w),
        at(node, columns ? 1 : perRow * n),
        n,
        bias === undefined ? 0 : at(bias, columns ? 1 : 0),
        Activation[epilogue.activation ?? 'none'],
        epilogue.alpha ?? 0,
        { own: 'scratch' as const },
      ],
    },
  ];
}

const domain = (node: Node): Domain =>
  isByColumns(node) ? { kind: 'units', size: lastDim(node), of: 'columns' } : defaultDomain(node);

const flops = (node: Node) => 2 * elementsOf(node) * lastDim(node.inputs[0]!);

/** Every share packs all of the operand that is not shared out, where that was not done for all. */
function packs(node: Node, rows: number): number {
  const [x, w] = node.inputs as [Node, Node];
  if (w.op === 'packedWeights') return 0;
  return isByColumns(node) ? rows * elementsOf(x) : elementsOf(w);
}

/** w (K, N), or its transpose, laid out once as the tiles of a product read it, for all who multiply by it: panels of 16 columns (kernel packPanels). */
export function packedWeights(graph: Graph, w: Node, transposed: boolean): Node {
  const [k, n] = transposed ? [lastDim(w), firstDim(w)] : [firstDim(w), lastDim(w)];
  return graph.add('packedWeights', [w], fixed(Math.ceil(n / 16), k * 16), { transposed, k, n });
}

/** z (rows, …, N) in the same way */
export function packedRows(graph: Graph, z: Node): Node {
  return graph.add('packedRows', [z], batched(vectorsOf(z), Math.ceil(lastDim(z) / 16) * 16));
}

/** Rows of Σ x (rows, …, K)ᵀ · z (rows, …, N), as many as there are units, into `to`; z as it is, or its packedRows. */
export function callOuterSum(x: Node, z: Node, to: Argument): { kernel: KernelName; args: Argument[] } {
  const isPacked = z.op === 'packedRows';
  const flags = GemmFlag.transposeA | (isPacked ? GemmFlag.packedB : 0);
  const [k, n] = [lastDim(x), lastDim(isPacked ? z.inputs[0]! : z)];
  const product = [flags, { units: 1 }, n, { rows: vectorsOf(x) }, at(x, 1), k, whole(z), n, to, n];
  return { kernel: 'gemm', args: [...product, 0, Activation.none, 0, { own: 'scratch' }] };
}

/** Every share of Σ x·z packs all of z, where that was not done for all. */
export function packsOfOuterSum(node: Node, rows: number): number {
  const z = node.inputs[1]!;
  return z.op === 'packedRows' ? 0 : rows * elementsOf(z);
}

export const matmuls: Op[] = [
  {
    name: 'matmul',
    flops,
    packs,
    gradient(graph, node, dy) {
      const [x, w] = node.inputs as [Node, Node];
      return [matmulTransposed(graph, dy, w), outerSum(graph, x, dy)];
    },
    domain,
    lower: (node) => lowerProduct(node, false),
  },
  {
    name: 'linear',
    flops,
    packs,
    domain,
    lower: (node) => lowerProduct(node, false),
  },
  {
    name: 'matmulTransposed',
    flops,
    packs,
    gradient(graph, node, dy) {
      const [x, w] = node.inputs as [Node, Node];
      return [matmul(graph, dy, w), outerSum(graph, dy, x)];
    },
    domain,
    lower: (node) => lowerProduct(node, true),
  },
  {
    name: 'outerSum',
    sumsRows: true,
    // one row's share: each batch row contributes K·N multiply-adds per vector
    flops: (node) => 2 * elementsOf(node) * vectorsOf(node.inputs[0]!),
    packs: packsOfOuterSum,
    gradient(graph, node, dy) {
      const [x, z] = node.inputs as [Node, Node];
      return [matmulTransposed(graph, z, dy), matmul(graph, x, dy)];
    },
    lower(node) {
      const [x, z] = node.inputs as [Node, Node];
      return [callOuterSum(x, z, at(node, lastDim(z)))];
    },
  },
  {
    name: 'packedWeights',
    flops: elementsOf,
    // a share writes within every block of k: it is nobody's own range of memory
    domain: (node) => ({ kind: 'units', size: firstDim(node), of: 'columns' }),
    lower(node) {
      const w = node.inputs[0]!;
      const { transposed, k, n } = node.attributes as { transposed: boolean; k: number; n: number };
      const flags = transposed ? GemmFlag.transposeB : 0;
      const args: Argument[] = [flags, whole(w), lastDim(w), k, n, { start: 1 }, { units: 1 }, whole(node)];
      return [{ kernel: 'packPanels', args }];
    },
  },
  {
    name: 'packedRows',
    domain: (node) => ({ kind: 'units', size: lastDim(node) / 16, of: 'columns' }),
    lower(node) {
      const z = node.inputs[0]!;
      const n = lastDim(z);
      const vectors = { rows: vectorsOf(z) };
      return [{ kernel: 'packPanels', args: [0, whole(z), n, vectors, n, { start: 1 }, { units: 1 }, whole(node)] }];
    },
  },
];
