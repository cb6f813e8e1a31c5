import { lastDim, type Node } from '../graph/graph.ts';
import { type ActivationDescription, activate } from '../ops/activations.ts';
import * as ops from '../ops/convolution.ts';
import { addBias } from '../ops/elementwise.ts';
import type { LayerContext } from './context.ts';
import type { WeightsDescription } from './dense.ts';

export interface Conv2dDescription extends WeightsDescription, ops.ConvolutionWindow {
  type: 'conv2d';
  name: string;
  filters: number;
  activation: ActivationDescription;
}

/** x (rows, height, width, channels); fans as He and Glorot count them: a unit sees a window of every channel. */
export function conv2d({ graph, parameters }: LayerContext, x: Node, layer: Conv2dDescription): Node {
  const { name, kernel, filters } = layer;
  const shape = [...kernel, lastDim(x), filters];
  const taps = kernel[0] * kernel[1];
  const fan = { fanIn: taps * lastDim(x), fanOut: taps * filters };
  const w = parameters.get(`${name}.weight`, [fan.fanIn, filters], layer.init, fan, shape);
  let y = ops.conv2d(graph, x, w, layer);
  if (layer.bias) y = addBias(graph, y, parameters.get(`${name}.bias`, [filters], layer.biasInit, fan));
  return activate(graph, y, layer.activation);
}
