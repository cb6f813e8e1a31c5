import { bothSides } from '../../../spec/layers/images.ts';
import type { Layer } from '../../../spec/model.ts';
import type { PlacedLayer } from '../../network.ts';
import { channelsFirst, channelsLast, type ExportContext, type Value } from '../context.ts';
import { keepSteps, poolMask, withoutPadding } from '../masks.ts';

type Pool = Extract<Layer, { type: `${'max' | 'average'}_pool${'1d' | '2d'}` }>;
type GlobalPool = Extract<Layer, { type: `global_${string}` }>;

/** The least number there is: padding is never the largest. */
const LEAST = -(2 - 2 ** -23) * 2 ** 127;

export function pool(context: ExportContext, { layer, output }: PlacedLayer<Pool>, [x]: readonly Value[]): Value {
  const { graph, masks } = context;
  const { type, size, stride } = layer;
  const sides = (value: Pool['size']) => (type.endsWith('1d') ? [value as number] : bothSides(value));
  const over = (value: string) =>
    graph.add(type.startsWith('max') ? 'MaxPool' : 'AveragePool', [value], {
      kernel_shape: { ints: sides(size) },
      strides: { ints: sides(stride) },
    });
  const mask = masks.get(x!);
  if (mask === undefined) return { dims: output, first: over(channelsFirst(context, x!)) };
  // what counts alone; a window without is 0
  const counts = graph.add('Unsqueeze', [poolMask(graph, mask, size as number, stride as number), graph.ints([1])]);
  const kept = keepSteps(context, channelsLast(context, x!), mask, type === 'max_pool1d' ? LEAST : 0);
  const pooled = over(graph.transpose(kept, [0, 2, 1]));
  const share = () => over(graph.reshape(graph.cast(mask, 'float'), [0, 1, -1]));
  const y = type === 'max_pool1d' ? pooled : graph.add('Div', [pooled, share()]);
  return { dims: output, first: graph.add('Where', [counts, y, graph.floats([0], [])]) };
}

/** Over all places that count: (…, channels) to (channels) */
export function globalPool(
  context: ExportContext,
  { layer, inputs, output }: PlacedLayer<GlobalPool>,
  [x]: readonly Value[],
): Value {
  const { graph, masks } = context;
  const mask = masks.get(x!);
  if (mask !== undefined) {
    const [steps, keep] = [graph.ints([1]), { keepdims: { i: 1 } }];
    const counts = graph.cast(mask, 'float');
    if (layer.type === 'global_average_pool1d') {
      const sum = graph.add('ReduceSum', [withoutPadding(context, x!).last!, steps], { keepdims: { i: 0 } });
      const count = graph.add('Max', [graph.add('ReduceSum', [counts, steps], keep), graph.floats([1])]);
      return { dims: output, last: graph.add('Div', [sum, count]) };
    }
    const kept = keepSteps(context, channelsLast(context, x!), mask, LEAST);
    const most = graph.add('ReduceMax', [kept, steps], { keepdims: { i: 0 } });
    const any = graph.cast(graph.add('ReduceMax', [counts, steps], keep), 'bool');
    return { dims: output, last: graph.add('Where', [any, most, graph.floats([0], [])]) };
  }
  const from = x!.last === undefined ? 2 : 1;
  const axes = graph.ints(inputs[0]!.slice(0, -1).map((_, i) => from + i));
  const op = layer.type.startsWith('global_max') ? 'ReduceMax' : 'ReduceMean';
  return { dims: output, last: graph.add(op, [x!.last ?? x!.first!, axes], { keepdims: { i: 0 } }) };
}
