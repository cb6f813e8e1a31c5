import { permuteTensor } from '../../../checkpoints/permute-tensor.ts';
import { bothSides } from '../../../spec/layers/images.ts';
import type { Layer } from '../../../spec/model.ts';
import type { PlacedLayer } from '../../network.ts';
import { channelsFirst, type ExportContext, parameter, type Value } from '../context.ts';
import { withoutPadding } from '../masks.ts';
import { activate } from './activation.ts';

type Of<T extends Layer['type']> = PlacedLayer<Extract<Layer, { type: T }>>;

/** Windows along each side. */
interface Window {
  kernel: readonly number[];
  stride: readonly number[];
  dilation: readonly number[];
}

const reachOf = ({ kernel, dilation }: Window) => kernel.map((taps, side) => (taps - 1) * dilation[side]! + 1);

/** conv1d: W (taps, channels / groups, filters) */
export function conv1d(context: ExportContext, { layer, inputs, output }: Of<'conv1d'>, [x]: readonly Value[]): Value {
  const window = { kernel: [layer.kernel_size], stride: [layer.stride], dilation: [layer.dilation] };
  return convolve(context, { layer, window, inputs, output }, withoutPadding(context, x!), [2, 1, 0]);
}

/** conv2d: W (height, width, channels / groups, filters) */
export function conv2d(context: ExportContext, { layer, inputs, output }: Of<'conv2d'>, [x]: readonly Value[]): Value {
  return convolve(context, { layer, window: windowOf(layer), inputs, output }, x!, [3, 2, 0, 1]);
}

function windowOf(layer: Extract<Layer, { type: 'conv2d' | 'conv2d_transpose' }>): Window {
  const { kernel_size: kernel, stride, dilation } = layer;
  return { kernel: bothSides(kernel), stride: bothSides(stride), dilation: bothSides(dilation) };
}

function convolve(
  context: ExportContext,
  placed: PlacedLayer<Extract<Layer, { type: 'conv1d' | 'conv2d' }>> & { window: Window },
  x: Value,
  order: readonly number[],
): Value {
  const { layer, window, inputs, output } = placed;
  const { name, groups, bias, padding } = layer;
  const sizes = inputs[0]!.slice(0, -1);
  const reach = reachOf(window);
  // zeros that the last window reaches into, and how many of them stand before the first
  const zeros = sizes.map((size, side) =>
    Math.max(0, (output[side]! - 1) * window.stride[side]! + reach[side]! - size),
  );
  const before = zeros.map((n, side) => (padding === 'causal' ? reach[side]! - 1 : Math.floor(n / 2)));
  const pads =
    padding === 'valid'
      ? [...zeros, ...zeros].fill(0)
      : [...before, ...zeros.map((n, i) => Math.max(0, n - before[i]!))];
  const weights = parameter(context, `${name}.weight`, (tensor) => permuteTensor(tensor, order));
  const first = context.graph.add(
    'Conv',
    [channelsFirst(context, x), weights, ...(bias ? [parameter(context, `${name}.bias`)] : [])],
    { ...attributesOf(window), pads: { ints: pads }, group: { i: groups } },
  );
  return activate(context, { dims: output, first }, layer.activation);
}

const attributesOf = ({ kernel, stride, dilation }: Window) => ({
  kernel_shape: { ints: kernel },
  strides: { ints: stride },
  dilations: { ints: dilation },
});

/** conv2d_transpose: W (height, width, filters / groups, channels); with same padding what reaches beyond n·stride places is cut off */
export function conv2dTranspose(
  context: ExportContext,
  { layer, output }: Of<'conv2d_transpose'>,
  [x]: readonly Value[],
): Value {
  const { name, bias, padding, groups } = layer;
  const window = windowOf(layer);
  const more = bothSides(layer.output_padding);
  const beyond = reachOf(window).map((reach, side) => (padding === 'valid' ? 0 : reach - window.stride[side]!));
  const cut = beyond.map((n) => Math.max(0, n));
  const before = cut.map((n) => Math.floor(n / 2));
  const weights = parameter(context, `${name}.weight`, (tensor) => permuteTensor(tensor, [3, 2, 0, 1]));
  const first = context.graph.add(
    'ConvTranspose',
    [channelsFirst(context, x!), weights, ...(bias ? [parameter(context, `${name}.bias`)] : [])],
    {
      ...attributesOf(window),
      pads: { ints: [...before, ...cut.map((n, side) => n - before[side]!)] },
      output_padding: { ints: beyond.map((n, side) => Math.max(more[side]!, -n)) },
      group: { i: groups },
    },
  );
  return activate(context, { dims: output, first }, layer.activation);
}
