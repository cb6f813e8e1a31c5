import { permuteTensor } from '../../checkpoints/permute-tensor.ts';
import { bothSides } from '../../spec/layers/images.ts';
import type { Layer } from '../../spec/model.ts';
import type { PlacedLayer } from '../network.ts';
import { type Weights, weightOf } from '../tensors.ts';
import { activate } from './activations.ts';
import { withoutPadding } from './masks.ts';
import { call, channelsFirst, first, nameOf, sides, type TorchLayer, type TorchValue } from './module.ts';

type Of<T extends Layer['type']> = PlacedLayer<Extract<Layer, { type: T }>>;

/** W (…taps, channels / groups, filters) becomes (filters, channels / groups, …taps); zeros that are more on one side are put there before. */
export function convolution(
  { layer, inputs, output }: Of<'conv1d' | 'conv2d'>,
  [x]: readonly TorchValue[],
  weights: Weights,
): TorchLayer {
  const both = (value: number | [number, number]) => (layer.type === 'conv1d' ? [value as number] : bothSides(value));
  const [kernel, stride, dilation] = [both(layer.kernel_size), both(layer.stride), both(layer.dilation)];
  const sizes = inputs[0]!.slice(0, -1);
  const reach = kernel.map((taps, side) => (taps - 1) * dilation[side]! + 1);
  const zeros = sizes.map((size, side) =>
    layer.padding === 'valid' ? 0 : Math.max(0, (output[side]! - 1) * stride[side]! + reach[side]! - size),
  );
  const before = zeros.map((n, side) => (layer.padding === 'causal' ? reach[side]! - 1 : Math.floor(n / 2)));
  const after = zeros.map((n, side) => Math.max(0, n - before[side]!));
  const isEven = before.every((n, side) => n === after[side]);
  const from = channelsFirst(withoutPadding(x!));
  // F.pad counts sides from the last
  const pads = before.map((n, side) => [n, after[side]!]).reverse();
  const padded = isEven ? from : `F.pad(${from}, (${pads.flat().join(', ')}))`;
  const channels = inputs[0]!.at(-1)!;
  const module = call(`nn.${layer.type === 'conv1d' ? 'Conv1d' : 'Conv2d'}`, [channels, layer.filters], {
    kernel_size: sides(kernel),
    ...optional('stride', stride, 1),
    ...(isEven && optional('padding', before, 0)),
    ...optional('dilation', dilation, 1),
    ...(layer.groups > 1 && { groups: layer.groups }),
    ...(!layer.bias && { bias: false }),
  });
  const order = layer.type === 'conv1d' ? [2, 1, 0] : [3, 2, 0, 1];
  return finish(layer, module, order, `self.${nameOf(layer.name)}(${padded})`, output, weights);
}

/** W (height, width, filters / groups, channels) becomes (channels, filters / groups, height, width); what reaches beyond n·stride places is cut off. */
export function transposed(
  { layer, inputs, output }: Of<'conv2d_transpose'>,
  [x]: readonly TorchValue[],
  weights: Weights,
): TorchLayer {
  const [kernel, stride, dilation] = [bothSides(layer.kernel_size), bothSides(layer.stride), bothSides(layer.dilation)];
  const more = bothSides(layer.output_padding);
  const beyond = kernel.map((taps, side) =>
    layer.padding === 'valid' ? 0 : (taps - 1) * dilation[side]! + 1 - stride[side]!,
  );
  const module = call('nn.ConvTranspose2d', [inputs[0]!.at(-1)!, layer.filters], {
    kernel_size: sides(kernel),
    ...optional('stride', stride, 1),
    ...optional(
      'padding',
      beyond.map((n) => Math.floor(Math.max(0, n) / 2)),
      0,
    ),
    ...optional(
      'output_padding',
      beyond.map((n, side) => Math.max(more[side]!, -n)),
      0,
    ),
    ...optional('dilation', dilation, 1),
    ...(layer.groups > 1 && { groups: layer.groups }),
    ...(!layer.bias && { bias: false }),
  });
  const isOdd = beyond.some((n) => n > 0 && n % 2 === 1);
  const cut = isOdd ? `[..., :${output[0]}, :${output[1]}]` : '';
  const code = `self.${nameOf(layer.name)}(${channelsFirst(x!)})${cut}`;
  return finish(layer, module, [3, 2, 0, 1], code, output, weights);
}

function finish(
  layer: Extract<Layer, { type: 'conv1d' | 'conv2d' | 'conv2d_transpose' }>,
  module: string,
  order: readonly number[],
  code: string,
  output: number[],
  weights: Weights,
): TorchLayer {
  const { name, bias, activation } = layer;
  return {
    module,
    weights: {
      weight: permuteTensor(weightOf(weights, `${name}.weight`), order),
      ...(bias && { bias: weightOf(weights, `${name}.bias`) }),
    },
    value: activate(first(code, output), activation),
  };
}

const optional = (name: string, values: readonly number[], usual: number) =>
  values.every((n) => n === usual) ? {} : { [name]: sides(values) };
