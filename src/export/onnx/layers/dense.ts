import type { DenseLayer } from '../../../spec/layers/dense.ts';
import type { EndLayer, PlacedLayer } from '../../network.ts';
import { channelsLast, type ExportContext, parameter, type Value } from '../context.ts';
import { activate } from './activation.ts';

/** `<prefix>.weight` (in, out) and `<prefix>.bias` over the last dimension */
export function linear(context: ExportContext, prefix: string, x: string, bias: boolean): string {
  const { graph } = context;
  const y = graph.add('MatMul', [x, parameter(context, `${prefix}.weight`)]);
  return bias ? graph.add('Add', [y, parameter(context, `${prefix}.bias`)]) : y;
}

export function dense(
  context: ExportContext,
  { layer, output }: PlacedLayer<DenseLayer | EndLayer>,
  [x]: readonly Value[],
): Value {
  const { name, bias, activation } = layer;
  const from = channelsLast(context, x!);
  const tiedTo = 'tied_to' in layer ? layer.tied_to : null;
  const last = tiedTo === null ? linear(context, name, from, bias) : tied(context, name, from, bias, tiedTo);
  return activate(context, { dims: output, last }, activation);
}

/** The weights are an embedding's table, transposed. */
function tied(context: ExportContext, name: string, x: string, bias: boolean, embedding: string): string {
  const { graph } = context;
  const table = graph.transpose(parameter(context, `${embedding}.weight`), [1, 0]);
  const y = graph.add('MatMul', [x, table]);
  return bias ? graph.add('Add', [y, parameter(context, `${name}.bias`)]) : y;
}
