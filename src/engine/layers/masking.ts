import { elementsOf, type Node } from '../graph/graph.ts';
import { multiply, reshape } from '../ops/elementwise.ts';
import { differs, keepSteps } from '../ops/masks.ts';
import { maxPool2d } from '../ops/pooling.ts';
import type { LayerContext } from './context.ts';

export interface MaskingDescription {
  type: 'masking';
  name: string;
  /** what stands where there is nothing */
  value: number;
  /** whether it stands for a single value too, which becomes 0 where others of its step are there */
  stepsInPart: boolean;
}

/** x (rows, T, C) with zeros at steps that are padding, all of whose values are `value`: layers over steps pass over them. */
export function masking({ graph, masks }: LayerContext, x: Node, { value, stepsInPart }: MaskingDescription): Node {
  const [steps, width] = x.shape.dims as [number, number];
  const isThere = differs(graph, x, value);
  const any = maxPool2d(graph, reshape(graph, isThere, steps, width, 1), { size: [1, width], stride: [1, 1] });
  const mask = reshape(graph, any, elementsOf(any));
  const y = stepsInPart ? multiply(graph, x, isThere) : keepSteps(graph, x, mask);
  const before = masks.get(x);
  masks.set(y, before === undefined ? mask : multiply(graph, before, mask));
  return y;
}
