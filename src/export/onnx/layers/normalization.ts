import type { Layer } from '../../../spec/model.ts';
import type { PlacedLayer } from '../../network.ts';
import { channelsFirst, channelsLast, type ExportContext, parameter, type Value } from '../context.ts';
import { keepSteps } from '../masks.ts';

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
  const mask = context.masks.get(x!);
  if (mask !== undefined) return { dims: output, last: normalizeCounted(context, layer, output, x!, mask) };
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

/** A group norm of the steps that count, zeros at the others. */
function normalizeCounted(
  context: ExportContext,
  { name, groups, epsilon }: Extract<Layer, { type: 'group_norm' }>,
  output: readonly number[],
  x: Value,
  mask: string,
): string {
  const { graph } = context;
  const [steps, channels] = output as [number, number];
  const grouped = graph.reshape(channelsLast(context, x), [0, steps, groups, channels / groups]);
  const counts = graph.reshape(graph.cast(mask, 'float'), [0, steps, 1, 1]);
  const axes = graph.ints([1, 3]);
  const sum = (value: string) => graph.add('ReduceSum', [value, axes], { keepdims: { i: 1 } });
  const each = graph.floats([channels / groups], []);
  const count = graph.add('Max', [graph.add('Mul', [sum(counts), each]), graph.floats([1], [])]);
  const meanOf = (value: string) => graph.add('Div', [sum(graph.add('Mul', [value, counts])), count]);
  const centered = graph.add('Sub', [grouped, meanOf(grouped)]);
  const variance = meanOf(graph.add('Mul', [centered, centered]));
  const root = graph.add('Sqrt', [graph.add('Add', [variance, graph.floats([epsilon], [])])]);
  const normed = graph.reshape(graph.add('Div', [centered, root]), [0, steps, channels]);
  const scaled = graph.add('Mul', [normed, parameter(context, `${name}.scale`)]);
  return keepSteps(context, graph.add('Add', [scaled, parameter(context, `${name}.bias`)]), mask);
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
