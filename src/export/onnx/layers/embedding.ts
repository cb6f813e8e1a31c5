import type { Layer } from '../../../spec/model.ts';
import { PADDING } from '../../../spec/preparation.ts';
import type { PlacedLayer } from '../../network.ts';
import { sinusoids } from '../../positions.ts';
import { channelsLast, type ExportContext, parameter, type Value } from '../context.ts';
import { keepSteps } from '../masks.ts';

type Of<T extends Layer['type']> = PlacedLayer<Extract<Layer, { type: T }>>;

/** y (N, T, units) = table[x (N, T)]; where index 0 is padding, what follows passes over it */
export function embedding(context: ExportContext, { layer, output }: Of<'embedding'>, [x]: readonly Value[]): Value {
  const { graph, masks } = context;
  const indices = graph.cast(channelsLast(context, x!), 'int64');
  const y = { dims: output, last: graph.add('Gather', [parameter(context, `${layer.name}.weight`), indices]) };
  if (layer.padding) masks.set(y, graph.add('Greater', [indices, graph.ints([0], [])]));
  return y;
}

/** Zeros at steps whose values are all the one that says so. */
export function masking(context: ExportContext, { layer, output }: Of<'masking'>, [x]: readonly Value[]): Value {
  const { graph, masks } = context;
  const from = channelsLast(context, x!);
  const isNothing = graph.add('Equal', [from, graph.floats([layer.value ?? PADDING], [])]);
  const isThere = graph.cast(graph.add('Not', [isNothing]), 'float');
  const own = graph.cast(graph.add('ReduceMax', [isThere, graph.ints([2])], { keepdims: { i: 0 } }), 'bool');
  const before = masks.get(x!);
  const mask = before === undefined ? own : graph.add('And', [before, own]);
  const last =
    layer.value === null ? graph.add('Where', [isNothing, graph.floats([0], []), from]) : keepSteps(context, from, own);
  const y = { dims: output, last };
  masks.set(y, mask);
  return y;
}

export function positionEmbedding(
  context: ExportContext,
  { layer, output }: Of<'position_embedding'>,
  [x]: readonly Value[],
): Value {
  const { graph } = context;
  const [steps, width] = output as [number, number];
  const table =
    layer.kind === 'learned'
      ? parameter(context, `${layer.name}.weight`)
      : graph.floats(sinusoids(steps, width), [steps, width]);
  return { dims: output, last: graph.add('Add', [channelsLast(context, x!), table]) };
}
