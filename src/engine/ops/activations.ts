import { elementsOf, fixed, type Graph, lastDim, type Node } from '../graph/graph.ts';
import type { Activation } from '../kernels/abi.ts';
import { at } from '../plan/call.ts';
import { multiply, subtract } from './elementwise.ts';
import { matmul } from './matmul.ts';
import { elementwise, type Op } from './op.ts';

/**
 * Activations. Each has a forward and a gradient operation; the gradient reads the output where that is enough (so the input need not be
 * kept, and bias and activation fold into the product's epilogue), and the input where it must (gelu, silu, mish).
 */
export type ActivationDescription =
  | { type: keyof typeof PLAIN }
  | { type: 'linear' }
  | { type: 'leaky_relu' | 'elu'; alpha: number }
  | { type: 'gelu'; approximate: 'none' | 'tanh' };

/** Activations without parameters, and their operations. */
const PLAIN = {
  relu: 'relu',
  relu6: 'relu6',
  selu: 'selu',
  silu: 'silu',
  hard_silu: 'hardSilu',
  mish: 'mish',
  softplus: 'softplus',
  softsign: 'softsign',
  sigmoid: 'sigmoid',
  hard_sigmoid: 'hardSigmoid',
  tanh: 'tanh',
  hard_tanh: 'hardTanh',
  softmax: 'softmax',
  log_softmax: 'logSoftmax',
} as const;

/** Where the gradient reads the output. All of them can be a product's epilogue. */
export const FROM_OUTPUT = [
  'relu',
  'leakyRelu',
  'relu6',
  'elu',
  'selu',
  'softplus',
  'softsign',
  'sigmoid',
  'hardSigmoid',
  'tanh',
  'hardTanh',
] as const satisfies (keyof typeof Activation)[];

const FROM_INPUT = ['geluErf', 'geluTanh', 'silu', 'hardSilu', 'mish'] as const;

export function activate(graph: Graph, x: Node, activation: ActivationDescription): Node {
  switch (activation.type) {
    case 'linear':
      return x;
    case 'leaky_relu':
      return graph.add('leakyRelu', [x], x.shape, { alpha: activation.alpha });
    case 'elu':
      return graph.add('elu', [x], x.shape, { alpha: activation.alpha });
    case 'gelu':
      return graph.add(activation.approximate === 'tanh' ? 'geluTanh' : 'geluErf', [x], x.shape);
    default:
      return graph.add(PLAIN[activation.type], [x], x.shape);
  }
}

/** A gradient operation is linear in dy: by it, its gradient is itself. By y or x none is known, which would be a second derivative. */
function linearInFirst(name: string): NonNullable<Op['gradient']> {
  return (graph, node, g) => [graph.add(name, [g, node.inputs[1]!], g.shape, node.attributes), undefined];
}

/** dx = dy · f′, where f′ follows from the output y. */
function outputOps(name: (typeof FROM_OUTPUT)[number]): Op[] {
  const gradKernel = `${name}Grad` as const;
  const alpha = (node: Node) => (node.attributes.alpha === undefined ? [] : [node.attributes.alpha as number]);
  return [
    {
      name,
      inPlace: true,
      gradient: (graph, node, dy) => [graph.add(gradKernel, [dy, node], dy.shape, node.attributes)],
      lower: (node) => [{ kernel: name, args: [...elementwise(node, node.inputs[0]!), ...alpha(node)] }],
    },
    {
      name: gradKernel,
      inPlace: true,
      gradient: linearInFirst(gradKernel),
      lower: (node) => [{ kernel: gradKernel, args: [...elementwise(node, ...node.inputs), ...alpha(node)] }],
    },
  ];
}

/** f′ needs the input x. */
function inputOps(name: (typeof FROM_INPUT)[number]): Op[] {
  const gradKernel = `${name}Grad` as const;
  return [
    {
      name,
      gradient: (graph, node, dy) => [graph.add(gradKernel, [dy, node.inputs[0]!], dy.shape)],
      lower: (node) => [{ kernel: name, args: elementwise(node, node.inputs[0]!) }],
    },
    {
      name: gradKernel,
      inPlace: true,
      gradient: linearInFirst(gradKernel),
      lower: (node) => [{ kernel: gradKernel, args: elementwise(node, ...node.inputs) }],
    },
  ];
}

/** Arguments of a kernel over vectors: (inputs…, output, vectors, length). */
function vectors(node: Node, ...inputs: Node[]) {
  const n = elementsOf(node);
  const length = lastDim(node);
  return [...inputs.map((input) => at(input, n)), at(node, n), { units: n / length }, length];
}

/** By dy, the gradient of log-softmax, dx = dy − p·Σ dy, makes g − Σ p·g of g. Sums over a vector are products with ones. */
function bendLogSoftmax(graph: Graph, node: Node, g: Node): (Node | undefined)[] {
  const y = node.inputs[1]!;
  const p = graph.add('softmax', [y], y.shape);
  const ones = graph.add('constant', [], fixed(lastDim(y), lastDim(y)), { value: 1 });
  return [subtract(graph, g, matmul(graph, multiply(graph, p, g), ones)), undefined];
}

/** Over vectors of the last dimension, from the output. */
function vectorOps(name: 'softmax' | 'logSoftmax'): Op[] {
  const gradKernel = `${name}Grad` as const;
  return [
    {
      name,
      gradient: (graph, node, dy) => [graph.add(gradKernel, [dy, node], dy.shape)],
      lower: (node) => [{ kernel: name, args: vectors(node, node.inputs[0]!) }],
    },
    {
      name: gradKernel,
      // softmax has a symmetric Jacobian, its logarithm has not
      gradient: name === 'softmax' ? linearInFirst(gradKernel) : bendLogSoftmax,
      lower: (node) => [{ kernel: gradKernel, args: vectors(node, ...node.inputs) }],
    },
  ];
}

export const activations: Op[] = [
  ...FROM_OUTPUT.flatMap(outputOps),
  ...FROM_INPUT.flatMap(inputOps),
  ...vectorOps('softmax'),
  ...vectorOps('logSoftmax'),
];
