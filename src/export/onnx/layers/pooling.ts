import { bothSides } from '../../../spec/layers/images.ts';
import type { Layer } from '../../../spec/model.ts';
import type { PlacedLayer } from '../../network.ts';
import { channelsFirst, type ExportContext, type Value } from '../context.ts';

type Pool = Extract<Layer, { type: `${'max' | 'average'}_pool${'1d' | '2d'}` }>;
type GlobalPool = Extract<Layer, { type: `global_${string}` }>;

export function pool(context: ExportContext, { layer, output }: PlacedLayer<Pool>, [x]: readonly Value[]): Value {
  const { size, stride } = layer;
  const sides = (value: Pool['size']) => (layer.type.endsWith('1d') ? [value as number] : bothSides(value));
  const first = context.graph.add(
    layer.type.startsWith('max') ? 'MaxPool' : 'AveragePool',
    [channelsFirst(context, x!)],
    {
      kernel_shape: { ints: sides(size) },
      strides: { ints: sides(stride) },
    },
  );
  return { dims: output, first };
}

/** Over all places: (…, channels) to (channels) */
export function globalPool(
  { graph }: ExportContext,
  { layer, inputs, output }: PlacedLayer<GlobalPool>,
  [x]: readonly Value[],
): Value {
  const from = x!.last === undefined ? 2 : 1;
  const axes = graph.ints(inputs[0]!.slice(0, -1).map((_, i) => from + i));
  const op = layer.type.startsWith('global_max') ? 'ReduceMax' : 'ReduceMean';
  return { dims: output, last: graph.add(op, [x!.last ?? x!.first!, axes], { keepdims: { i: 0 } }) };
}
