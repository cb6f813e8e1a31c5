import { elementsOf, type Graph, lastDim, type Node } from '../graph/graph.ts';
import type { KernelName } from '../kernels/abi.ts';
import { at } from '../plan/call.ts';
import { elementwise, type Op } from './op.ts';

/**
 * Activations. Each has a forward and a gradient operation; the gradient reads the output where that is enough (so the input need not be
 * kept, and bias and activation fold into the product's epilogue), and the input where it must (gelu).
 */
export type ActivationDescription =
  | { type: 'linear' | 'relu' | 'sigmoid' | 'tanh' | 'softmax' }
  | { type: 'leaky_relu'; alpha: number }
  | { type: 'gelu'; approximate: 'none' | 'tanh' };

export function activate(graph: Graph, x: Node, activation: ActivationDescription): Node {
  switch (activation.type) {
    case 'linear':
      return x;
    case 'leaky_relu':
      return graph.add('leakyRelu', [x], x.shape, { alpha: activation.alpha });
    case 'gelu':
      return graph.add(activation.approximate === 'tanh' ? 'geluTanh' : 'geluErf', [x], x.shape);
    default:
      return graph.add(activation.type, [x], x.shape);
  }
}

/** relu, leakyRelu, sigmoid and tanh: dx = dy · f′, where f′ follows from the output y. */
function fromOutput(name: KernelName & string, gradKernel: KernelName): Op[] {
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
      lower: (node) => [{ kernel: gradKernel, args: [...elementwise(node, ...node.inputs), ...alpha(node)] }],
    },
  ];
}

/** gelu: f′ needs the input x. */
function fromInput(name: KernelName & string, gradKernel: KernelName): Op[] {
  return [
    {
      name,
      gradient: (graph, node, dy) => [graph.add(gradKernel, [dy, node.inputs[0]!], dy.shape)],
      lower: (node) => [{ kernel: name, args: elementwise(node, node.inputs[0]!) }],
    },
    {
      name: gradKernel,
      inPlace: true,
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

export const activations: Op[] = [
  ...fromOutput('relu', 'reluGrad'),
  ...fromOutput('leakyRelu', 'leakyReluGrad'),
  ...fromOutput('sigmoid', 'sigmoidGrad'),
  ...fromOutput('tanh', 'tanhGrad'),
  ...fromInput('geluErf', 'geluErfGrad'),
  ...fromInput('geluTanh', 'geluTanhGrad'),
  {
    name: 'softmax',
    gradient: (graph, node, dy) => [graph.add('softmaxGrad', [dy, node], dy.shape)],
    lower: (node) => [{ kernel: 'softmax', args: vectors(node, node.inputs[0]!) }],
  },
  {
    name: 'softmaxGrad',
    lower: (node) => [{ kernel: 'softmaxGrad', args: vectors(node, ...node.inputs) }],
  },
];
