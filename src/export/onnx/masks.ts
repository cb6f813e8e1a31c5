import type { PlacedLayer } from '../network.ts';
import { isMerge, keepsSteps } from '../padding.ts';
import { channelsLast, type ExportContext, type Value } from './context.ts';
import type { OnnxGraph } from './graph.ts';

/** Padding, as the engine has it: a mask goes from layer to layer, and what is padding has no part in what counts. */

/** x (N, T, C), or `otherwise` at steps that are padding */
export function keepSteps({ graph }: ExportContext, x: string, mask: string, otherwise = 0): string {
  return graph.add('Where', [graph.add('Unsqueeze', [mask, graph.ints([2])]), x, graph.floats([otherwise], [])]);
}

/** What comes in, with zeros where it is padding. */
export function withoutPadding(context: ExportContext, x: Value): Value {
  const mask = context.masks.get(x);
  return mask === undefined ? x : { dims: x.dims, last: keepSteps(context, channelsLast(context, x), mask) };
}

/** The mask (N, T) of windows: one counts where any of its steps does. */
export function poolMask(graph: OnnxGraph, mask: string, size: number, stride: number): string {
  const line = graph.reshape(graph.cast(mask, 'float'), [0, 1, -1]);
  const windows = graph.add('MaxPool', [line], { kernel_shape: { ints: [size] }, strides: { ints: [stride] } });
  return graph.cast(graph.reshape(windows, [0, -1]), 'bool');
}

/** Notes which steps of a layer's output are padding. */
export function passMask(context: ExportContext, placed: PlacedLayer, inputs: readonly Value[], output: Value): void {
  const { graph, masks } = context;
  if (masks.has(output)) return;
  const given = inputs.map((input) => masks.get(input));
  const mask = isMerge(placed) ? allOf(graph, given) : given[0] && maskAfter(graph, given[0], placed);
  if (mask !== undefined) masks.set(output, mask);
}

/** A step of several sequences counts where it does in each that has padding. */
function allOf(graph: OnnxGraph, given: readonly (string | undefined)[]): string | undefined {
  const known = [...new Set(given)].filter((mask) => mask !== undefined);
  return known.length === 0 ? undefined : known.reduce((all, mask) => graph.add('And', [all, mask]));
}

function maskAfter(graph: OnnxGraph, mask: string, placed: PlacedLayer): string | undefined {
  if (!keepsSteps(placed)) return undefined;
  const { layer } = placed;
  switch (layer.type) {
    case 'conv1d':
      if (layer.padding === 'valid')
        return poolMask(graph, mask, (layer.kernel_size - 1) * layer.dilation + 1, layer.stride);
      return layer.stride === 1 ? mask : poolMask(graph, mask, 1, layer.stride);
    case 'max_pool1d':
    case 'average_pool1d':
      return poolMask(graph, mask, layer.size, layer.stride);
    case 'upsample1d': {
      const copies = graph.add('Expand', [
        graph.add('Unsqueeze', [mask, graph.ints([2])]),
        graph.ints([1, 1, layer.factor]),
      ]);
      return graph.reshape(copies, [0, -1]);
    }
    case 'zero_padding1d': {
      const padded = graph.add('Pad', [graph.cast(mask, 'float'), graph.ints([0, layer.before, 0, layer.after])]);
      return graph.cast(padded, 'bool');
    }
    default:
      return mask;
  }
}
