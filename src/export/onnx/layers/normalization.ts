import type { Layer } from '../../../spec/model.ts';
import type { PlacedLayer } from '../../network.ts';
import { channelsFirst, channelsLast, type ExportContext, parameter, type Value } from '../context.ts';

type Of<T extends Layer['type']> = PlacedLayer<Extract<Layer, { type: T }>>;

/** Over each vector, with `<name>.scale` and `<name>.bias` */
export function normalizeVectors(
  context: ExportContext,
  x: string,
  { type, name, epsilon }: { type: 'layer_norm' | 'rms_norm'; name: string; epsilon: number },
): string {
  const { graph } = context;
  const scale = parameter(context, `${name}.scale`);
  if (type === 'layer_norm') {
    const inputs = [x, scale, parameter(context, `${name}.bias`)];
    return graph.add('LayerNormalization', inputs, { axis: { i: -1 }, epsilon: { f: epsilon } });
  }
  const squares = graph.add('ReduceMean', [graph.add('Mul', [x, x]), graph.ints([-1])], { keepdims: { i: 1 } });
  const root = graph.add('Sqrt', [graph.add('Add', [squares, graph.floats([epsilon], [])])]);
  return graph.add('Mul', [graph.add('Div', [x, root]), scale]);
}

export function vectorNorm(
  context: ExportContext,
  { layer, output }: Of<'layer_norm' | 'rms_norm'>,
  [x]: readonly Value[],
): Value {
  return { dims: output, last: normalizeVectors(context, channelsLast(context, x!), layer) };
}

/** Groups of channels over all places: an instance norm of the groups, then scale and bias of the channels. */
export function groupNorm(context: ExportContext, { layer, output }: Of<'group_norm'>, [x]: readonly Value[]): Value {
  const { graph } = context;
  const { name, groups, epsilon } = layer;
  const ones = graph.floats(Array<number>(groups).fill(1));
  const zeros = graph.floats(Array<number>(groups).fill(0));
  const grouped = graph.reshape(channelsFirst(context, x!), [0, groups, -1]);
  const normed = graph.add('InstanceNormalization', [grouped, ones, zeros], { epsilon: { f: epsilon } });
  const [channels, ...places] = [output.at(-1)!, ...output.slice(0, -1)];
  const back = graph.reshape(normed, [0, channels, ...places]);
  const ofChannels = (part: string) =>
    places.length === 0
      ? parameter(context, `${name}.${part}`)
      : graph.reshape(parameter(context, `${name}.${part}`), [channels, ...places.map(() => 1)]);
  const y = graph.add('Add', [graph.add('Mul', [back, ofChannels('scale')]), ofChannels('bias')]);
  return places.length === 0 ? { dims: output, last: y } : { dims: output, first: y };
}

/** By running statistics. */
export function batchNorm(context: ExportContext, { layer, output }: Of<'batch_norm'>, [x]: readonly Value[]): Value {
  const { name, epsilon } = layer;
  const parameters = ['scale', 'bias', 'running_mean', 'running_variance'].map((part) =>
    parameter(context, `${name}.${part}`),
  );
  const y = context.graph.add('BatchNormalization', [channelsFirst(context, x!), ...parameters], {
    epsilon: { f: epsilon },
  });
  return output.length === 1 ? { dims: output, last: y } : { dims: output, first: y };
}
