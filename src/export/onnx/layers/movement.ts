import type { Layer } from '../../../spec/model.ts';
import type { PlacedLayer } from '../../network.ts';
import { channelsFirst, channelsLast, type ExportContext, type Value } from '../context.ts';
import { activate } from './activation.ts';

type Of<T extends Layer['type']> = PlacedLayer<Extract<Layer, { type: T }>>;

/** Layers that give values other dimensions, or other places in them. */

export function reshape(context: ExportContext, { output }: Of<'flatten' | 'reshape'>, [x]: readonly Value[]): Value {
  return { dims: output, last: context.graph.reshape(channelsLast(context, x!), [0, ...output]) };
}

export function permute(context: ExportContext, { layer, output }: Of<'permute'>, [x]: readonly Value[]): Value {
  const order = [0, ...layer.order.map((i) => i + 1)];
  return { dims: output, last: context.graph.transpose(channelsLast(context, x!), order) };
}

/** Zeros along each side but the channels. */
function pad(context: ExportContext, x: Value, dims: number[], before: number[], after: number[]): Value {
  const { graph } = context;
  const pads = graph.ints([0, ...before, 0, 0, ...after, 0]);
  return { dims, last: graph.add('Pad', [channelsLast(context, x), pads]) };
}

export function zeroPadding1d(
  context: ExportContext,
  { layer, output }: Of<'zero_padding1d'>,
  [x]: readonly Value[],
): Value {
  return pad(context, x!, output, [layer.before], [layer.after]);
}

export function zeroPadding2d(
  context: ExportContext,
  { layer, output }: Of<'zero_padding2d'>,
  [x]: readonly Value[],
): Value {
  return pad(context, x!, output, [layer.top, layer.left], [layer.bottom, layer.right]);
}

/** Each step or pixel several times, or interpolated with centres kept in place (PyTorch's align_corners=False). */
export function upsample(
  context: ExportContext,
  { layer, output }: Of<'upsample1d' | 'upsample2d'>,
  [x]: readonly Value[],
): Value {
  const { graph } = context;
  const scales = graph.floats([1, 1, ...output.slice(1).map(() => layer.factor)]);
  const isBilinear = layer.type === 'upsample2d' && layer.method === 'bilinear';
  const first = graph.add('Resize', [channelsFirst(context, x!), '', scales], {
    mode: { s: isBilinear ? 'linear' : 'nearest' },
    coordinate_transformation_mode: { s: isBilinear ? 'half_pixel' : 'asymmetric' },
    ...(!isBilinear && { nearest_mode: { s: 'floor' } }),
  });
  return { dims: output, first };
}

/** Of each vector the first half times the activation of the second. */
export function glu(context: ExportContext, { layer, output }: Of<'glu'>, [x]: readonly Value[]): Value {
  const { graph } = context;
  const half = output.at(-1)!;
  const [a, b] = graph.split(channelsLast(context, x!), [half, half]) as [string, string];
  const gate = activate(context, { dims: output, last: b }, layer.activation);
  return { dims: output, last: graph.add('Mul', [a, gate.last!]) };
}

export function merge(
  context: ExportContext,
  { layer, output }: Of<'add' | 'multiply' | 'concatenate'>,
  inputs: readonly Value[],
): Value {
  const { graph } = context;
  const names = inputs.map((x) => channelsLast(context, x));
  if (layer.type === 'concatenate') return { dims: output, last: graph.concatenate(names) };
  const op = layer.type === 'add' ? 'Add' : 'Mul';
  return { dims: output, last: names.reduce((sum, x) => graph.add(op, [sum, x])) };
}
