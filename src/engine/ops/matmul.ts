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

/** A share of panels is written within every block of k: it is nobody's own range of memory. */
const panelsOf = (size: number): Domain => ({ kind: 'units', size, of: 'columns' });

function callPack(flags: number, node: Node, k: Argument, n: number): { kernel: KernelName; args: Argument[] } {
  const b = node.inputs[0]!;
  return { kernel: 'packPanels', args: [flags, whole(b), lastDim(b), k, n, { start: 1 }, { units: 1 }, whole(node)] };
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
    domain: (node) => panelsOf(firstDim(node)),
    lower(node) {
      const { transposed, k, n } = node.attributes as { transposed: boolean; k: number; n: number };
      return [callPack(transposed ? GemmFlag.transposeB : 0, node, k, n)];
    },
  },
  {
    name: 'packedRows',
    domain: (node) => panelsOf(lastDim(node) / 16),
    lower: (node) => [callPack(0, node, { rows: vectorsOf(node) }, lastDim(node.inputs[0]!))],
  },
];
