import type { Activation } from '../../../spec/layers/activation.ts';
import type { Layer } from '../../../spec/model.ts';
import type { PlacedLayer } from '../../network.ts';
import { channelsLast, type ExportContext, type Value } from '../context.ts';
import { activate } from './activation.ts';
import { attendTo, attendToSelf, type Steps, stepsOf } from './attention.ts';
import { linear } from './dense.ts';
import { normalizeVectors } from './normalization.ts';

type Block = Extract<Layer, { type: 'transformer_encoder' | 'transformer_decoder' }>;

/** Attention, in a decoder with a second input attention to that, and a feed-forward network, each with a norm and a residual connection. */
export function transformer(
  context: ExportContext,
  { layer, inputs, output }: PlacedLayer<Block>,
  values: readonly Value[],
): Value {
  const { name } = layer;
  const [x, memory] = values.map((value, i) => stepsOf(context, value, inputs[i]!)) as [Steps, Steps | undefined];
  const causal = layer.type === 'transformer_decoder';
  let y = residual(context, layer, 'norm1', x, (z) => attendToSelf(context, `${name}.attention`, z, layer, causal));
  if (memory !== undefined)
    y = residual(context, layer, 'norm_cross', y, (z) => attendTo(context, `${name}.cross`, z, memory, layer));
  y = residual(context, layer, 'norm2', y, (z) => forward(context, `${name}.feed_forward`, z.name, output, layer));
  return { dims: output, last: y.name };
}

function residual(
  context: ExportContext,
  { name, norm, norm_position: position, epsilon }: Block,
  normName: string,
  x: Steps,
  inner: (z: Steps) => string,
): Steps {
  const { graph } = context;
  const normed = (z: string) => normalizeVectors(context, z, { type: norm, name: `${name}.${normName}`, epsilon });
  if (position === 'pre') return { ...x, name: graph.add('Add', [x.name, inner({ ...x, name: normed(x.name) })]) };
  return { ...x, name: normed(graph.add('Add', [x.name, inner(x)])) };
}

export function feedForward(
  context: ExportContext,
  { layer, output }: PlacedLayer<Extract<Layer, { type: 'feed_forward' }>>,
  [x]: readonly Value[],
): Value {
  return { dims: output, last: forward(context, layer.name, channelsLast(context, x!), output, layer) };
}

/** `<prefix>.in`, `.gate` where it is gated, and `.out` */
function forward(
  context: ExportContext,
  prefix: string,
  x: string,
  dims: readonly number[],
  { units, activation, gated, bias }: { units: number; activation: Activation; gated: boolean; bias: boolean },
): string {
  const inside = [...dims.slice(0, -1), units];
  const activated = (last: string) => activate(context, { dims: inside, last }, activation).last!;
  const inner = linear(context, `${prefix}.in`, x, bias);
  const y = gated
    ? context.graph.add('Mul', [activated(linear(context, `${prefix}.gate`, x, bias)), inner])
    : activated(inner);
  return linear(context, `${prefix}.out`, y, bias);
}
