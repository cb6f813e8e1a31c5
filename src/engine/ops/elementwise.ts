import { elementsOf, fixed, type Graph, lastDim, type Node, vectorsOf } from '../graph/graph.ts';
import { at, whole } from '../plan/call.ts';
import { defaultDomain, elementwise, type Op, unitElements } from './op.ts';

/** Sums, products and biases. */

function sameShape(a: Node, b: Node, name: string): void {
  if (a.shape.batched !== b.shape.batched || a.shape.dims.join() !== b.shape.dims.join()) {
    throw new Error(`${name}: shapes (${a.shape.dims}) and (${b.shape.dims}) differ`);
  }
}

export function add(graph: Graph, a: Node, b: Node): Node {
  sameShape(a, b, 'add');
  return graph.add('add', [a, b], a.shape);
}

export function subtract(graph: Graph, a: Node, b: Node): Node {
  sameShape(a, b, 'subtract');
  return graph.add('subtract', [a, b], a.shape);
}

export function multiply(graph: Graph, a: Node, b: Node): Node {
  sameShape(a, b, 'multiply');
  return graph.add('multiply', [a, b], a.shape);
}

/** y = scale·x + shift */
export function affine(graph: Graph, x: Node, scale: number, shift = 0): Node {
  return graph.add('affine', [x], x.shape, { scale, shift });
}

/** y (rows, …, C) = x (rows, …, C) + bias (C) */
export function addBias(graph: Graph, x: Node, bias: Node): Node {
  if (lastDim(x) !== lastDim(bias)) throw new Error(`addBias: ${lastDim(bias)} values for ${lastDim(x)} columns`);
  return graph.add('addBias', [x, bias], x.shape);
}

/** y (C) = Σ over all vectors of x (rows, …, C) */
export function columnSum(graph: Graph, x: Node): Node {
  return graph.add('columnSum', [x], fixed(lastDim(x)));
}

/** y (rows, …, C) = x (C) for every vector; `like` gives the shape. */
function broadcastRows(graph: Graph, x: Node, like: Node): Node {
  return addBias(graph, affine(graph, like, 0), x);
}

/** The same values under other dims: (rows, 28, 28, 1) → (rows, 784). */
export function reshape(graph: Graph, x: Node, ...dims: number[]): Node {
  if (dims.reduce((product, d) => product * d, 1) !== elementsOf(x))
    throw new Error(`reshape: (${x.shape.dims}) has not as many values as (${dims})`);
  return graph.add('reshape', [x], { batched: x.shape.batched, dims }, {}, x.dtype);
}

export const elementwiseOps: Op[] = [
  {
    name: 'add',
    inPlace: true,
    gradient: (_graph, _node, dy) => [dy, dy],
    lower: (node) => [{ kernel: 'add', args: elementwise(node, ...node.inputs) }],
  },
  {
    name: 'subtract',
    inPlace: true,
    gradient: (graph, _node, dy) => [dy, affine(graph, dy, -1)],
    lower: (node) => [{ kernel: 'sub', args: elementwise(node, ...node.inputs) }],
  },
  {
    name: 'multiply',
    inPlace: true,
    gradient(graph, node, dy) {
      const [a, b] = node.inputs as [Node, Node];
      return [multiply(graph, dy, b), multiply(graph, dy, a)];
    },
    lower: (node) => [{ kernel: 'mul', args: elementwise(node, ...node.inputs) }],
  },
  {
    name: 'affine',
    inPlace: true,
    gradient: (graph, node, dy) => [affine(graph, dy, node.attributes.scale as number)],
    lower(node) {
      const { scale, shift } = node.attributes as { scale: number; shift: number };
      return [{ kernel: 'affine', args: [...elementwise(node, node.inputs[0]!), scale, shift] }];
    },
  },
  {
    name: 'constant',
    lower(node) {
      const n = unitElements(node);
      return [{ kernel: 'fill', args: [at(node, n), { units: n }, node.attributes.value as number] }];
    },
  },
  {
    name: 'addBias',
    inPlace: true,
    gradient: (graph, _node, dy) => [dy, columnSum(graph, dy)],
    lower(node) {
      const [x, bias] = node.inputs as [Node, Node];
      const n = unitElements(node);
      return [
        { kernel: 'addBias', args: [at(x, n), whole(bias), at(node, n), { units: vectorsOf(node) }, lastDim(node)] },
      ];
    },
  },
  {
    name: 'columnSum',
    gradient: (graph, node, dy) => [broadcastRows(graph, dy, node.inputs[0]!)],
    lower(node) {
      const x = node.inputs[0]!;
      return [{ kernel: 'columnSum', args: [at(x, 1), lastDim(x), at(node, 1), { rows: vectorsOf(x) }, { units: 1 }] }];
    },
  },
  {
    name: 'reshape',
    alias: true,
    domain: (node) => defaultDomain(node.inputs[0]!),
    gradient: (graph, node, dy) => [reshape(graph, dy, ...node.inputs[0]!.shape.dims)],
  },
];
