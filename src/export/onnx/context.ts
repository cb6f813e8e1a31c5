import { type Weights, type WeightTensor, weightOf } from '../tensors.ts';
import type { OnnxGraph } from './graph.ts';

/**
 * What comes out of a layer. Ours are channels last; ONNX's convolutions and poolings take channels first. Either form is made of the other
 * when it is first asked for, so that layers over images in a row need none between them.
 */
export interface Value {
  /** of one row, channels last */
  dims: readonly number[];
  last?: string;
  first?: string;
}

/** What a layer is written with. */
export interface ExportContext {
  graph: OnnxGraph;
  weights: Weights;
  /** of values that are sequences: bool (N, T), false where a step is padding */
  masks: Map<Value, string>;
}

export function channelsLast({ graph }: ExportContext, value: Value): string {
  const rank = value.dims.length;
  value.last ??= graph.transpose(value.first!, [0, ...range(2, rank + 1), 1]);
  return value.last;
}

export function channelsFirst({ graph }: ExportContext, value: Value): string {
  // a vector is both
  if (value.dims.length === 1) return channelsLast({ graph } as ExportContext, value);
  value.first ??= graph.transpose(value.last!, [0, value.dims.length, ...range(1, value.dims.length)]);
  return value.first;
}

/** What is done to each element by itself, in the form there is. */
export function eachElement(value: Value, change: (x: string) => string): Value {
  const { dims, last, first } = value;
  return last === undefined ? { dims, first: change(first!) } : { dims, last: change(last) };
}

/** A parameter under its own name, as it is or made otherwise by `change`. */
export function parameter(
  { graph, weights }: ExportContext,
  name: string,
  change: (tensor: WeightTensor) => WeightTensor = (tensor) => tensor,
): string {
  return graph.weight(name, change(weightOf(weights, name)));
}

function range(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i);
}
