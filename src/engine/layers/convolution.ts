import { elementsOf, firstDim, lastDim, type Node } from '../graph/graph.ts';
import type { Fan } from '../initializers.ts';
import { type ActivationDescription, activate } from '../ops/activations.ts';
import { columns, concatenate } from '../ops/concatenate.ts';
import * as ops from '../ops/convolution.ts';
import { addBias, reshape } from '../ops/elementwise.ts';
import { keepSteps } from '../ops/masks.ts';
import type { LayerContext } from './context.ts';
import { LookaheadError, recall } from './continuation.ts';
import { type WeightsDescription, withAdapter } from './dense.ts';

interface FiltersDescription extends WeightsDescription {
  name: string;
  filters: number;
  activation: ActivationDescription;
}

export interface Conv2dDescription extends FiltersDescription, ops.ConvolutionWindow {
  type: 'conv2d';
  /** left out: one */
  groups?: number;
}

/** Sizes along the one side there is. */
export interface Conv1dDescription extends FiltersDescription, Pick<ops.ConvolutionWindow, 'padding'> {
  type: 'conv1d';
  kernel: number;
  stride: number;
  dilation: number;
  groups: number;
}

export interface Conv2dTransposeDescription extends FiltersDescription, ops.ConvolutionWindow {
  type: 'conv2d_transpose';
  /** left out: one */
  groups?: number;
  /** lines and columns more at the end, where windows lie inside; left out: none */
  outputPadding?: ops.Sides;
}

export type ConvolutionDescription = Conv1dDescription | Conv2dDescription | Conv2dTransposeDescription;

export function convolve(context: LayerContext, x: Node, layer: ConvolutionDescription): Node {
  switch (layer.type) {
    case 'conv1d': {
      // (length, channels) as an image of one line
      const window = { kernel: line(layer.kernel), stride: line(layer.stride), dilation: line(layer.dilation) };
      const mask = context.masks.get(x);
      const counted = mask === undefined ? x : keepSteps(context.graph, x, mask);
      const { steps, padding } = stepsBefore(context, counted, layer);
      const image = reshape(context.graph, steps, 1, ...steps.shape.dims);
      const saved = [layer.kernel, lastDim(x) / layer.groups, layer.filters];
      const y = conv2d(context, image, { ...layer, ...window, padding, type: 'conv2d' }, saved);
      return reshape(context.graph, y, ...y.shape.dims.slice(1));
    }
    case 'conv2d':
      return conv2d(context, x, layer);
    case 'conv2d_transpose':
      return conv2dTranspose(context, x, layer);
  }
}

/** x (rows, T, C); of texts that go on, behind as many steps before it as a window reaches back */
function stepsBefore(
  context: LayerContext,
  x: Node,
  { name, kernel, stride, dilation, padding }: Conv1dDescription,
): { steps: Node; padding: ops.ConvolutionWindow['padding'] } {
  const { graph, continuation } = context;
  const reach = (kernel - 1) * dilation;
  if (continuation === null || reach === 0) return { steps: x, padding };
  if (padding !== 'causal' || stride !== 1) throw new LookaheadError(name);
  const channels = lastDim(x);
  const { before, keep } = recall(context, continuation, name, reach * channels);
  const all = concatenate(graph, [before, reshape(graph, x, elementsOf(x))]);
  keep(columns(graph, all, elementsOf(x), reach * channels));
  return { steps: reshape(graph, all, reach + firstDim(x), channels), padding: 'valid' };
}

const line = (size: number): ops.Sides => [1, size];

/**
 * x (rows, height, width, channels), saved as (height, width, channels / groups, filters). Fans as He and Glorot count them: a unit sees a
 * window of every channel of its group.
 */
function conv2d(context: LayerContext, x: Node, layer: Conv2dDescription, saved?: readonly number[]): Node {
  const { kernel, filters, groups = 1 } = layer;
  const taps = kernel[0] * kernel[1];
  const channels = lastDim(x) / groups;
  const fan = { fanIn: taps * channels, fanOut: (taps * filters) / groups };
  const shape = saved ?? [...kernel, channels, filters];
  const w = context.parameters.get(`${layer.name}.weight`, [taps * channels, filters], layer.init, fan, shape);
  const y = ops.conv2d(context.graph, x, w, layer, groups);
  if (groups > 1) return finish(context, y, layer, fan);
  // the adapter's A is a convolution to fewer channels, its B a product at each place
  const adapter = { width: fan.fanIn, saved: (rank: number) => [...shape.slice(0, -1), rank] };
  const adapted = withAdapter(context, layer.name, x, y, adapter, (into, a) =>
    ops.conv2d(context.graph, into, a, layer, 1),
  );
  return finish(context, adapted, layer, fan);
}

/** Saved as (height, width, filters / groups, channels). A unit sees as many places as windows overlap there. */
function conv2dTranspose(context: LayerContext, x: Node, layer: Conv2dTransposeDescription): Node {
  const { kernel, stride, filters, groups = 1, outputPadding } = layer;
  const taps = kernel[0] * kernel[1];
  const channels = lastDim(x);
  const ofGroup = filters / groups;
  const fan = { fanIn: (taps * channels) / (groups * stride[0] * stride[1]), fanOut: taps * ofGroup };
  const shape = [...kernel, ofGroup, channels];
  const w = context.parameters.get(`${layer.name}.weight`, [taps * ofGroup, channels], layer.init, fan, shape);
  return finish(context, ops.conv2dTranspose(context.graph, x, w, layer, groups, outputPadding), layer, fan);
}

function finish({ graph, parameters }: LayerContext, product: Node, layer: FiltersDescription, fan: Fan): Node {
  const { name, filters, bias, biasInit, activation } = layer;
  const y = bias ? addBias(graph, product, parameters.get(`${name}.bias`, [filters], biasInit, fan)) : product;
  return activate(graph, y, activation);
}
