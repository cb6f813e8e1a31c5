import { lastDim, type Node } from '../graph/graph.ts';
import type { InitializerDescription } from '../initializers.ts';
import { type ActivationDescription, activate } from '../ops/activations.ts';
import { addBias } from '../ops/elementwise.ts';
import { matmul } from '../ops/matmul.ts';
import type { LayerContext } from './context.ts';

/** Weights and a bias, and how they begin. */
export interface WeightsDescription {
  init: InitializerDescription;
  bias: boolean;
  biasInit: InitializerDescription;
}

export interface DenseDescription extends WeightsDescription {
  type: 'dense';
  name: string;
  units: number;
  activation: ActivationDescription;
}

/** y (rows, …, units) = activation(x·W + b); x (rows, …, in), W (in, units), b (units) */
export function dense({ graph, parameters }: LayerContext, x: Node, layer: DenseDescription): Node {
  const { name, units } = layer;
  const fan = { fanIn: lastDim(x), fanOut: units };
  let y = matmul(graph, x, parameters.get(`${name}.weight`, [fan.fanIn, units], layer.init, fan));
  if (layer.bias) y = addBias(graph, y, parameters.get(`${name}.bias`, [units], layer.biasInit, fan));
  return activate(graph, y, layer.activation);
}
