import type { LayerRule, Misfit, RowShape, Size } from './layers/rule.ts';
import { ruleOf } from './layers/rules.ts';
import type { Layer } from './model.ts';

/** The name under which layers take columns of which nothing else is said. */
export const MODEL_INPUT = 'input';

/** Columns by the model input they are part of, in the order of their first. */
export function groupByInput<C extends { into?: string }>(columns: readonly C[]): Map<string, C[]> {
  return Map.groupBy(columns, ({ into }) => into ?? MODEL_INPUT);
}

/** The model input that the first layer takes where it says none. */
export function mainInput(names: readonly string[]): string {
  return names.includes(MODEL_INPUT) ? MODEL_INPUT : (names[0] ?? MODEL_INPUT);
}

export interface ModelInput {
  name: string;
  /** null where it depends on the training rows */
  width: Size;
  /** height, width, channels, where its only column is an image; steps, width, where it is a window of a series; else null */
  dims: RowShape;
}

/**
 * The shape in which layers meet a model input: an image stays one where a layer over images comes first, and a window where one comes that takes no
 * vector; otherwise every row is one vector, so that dense layers alone need no flatten.
 */
export function shapeOfInput(layers: readonly Layer[], { name, width, dims }: ModelInput): RowShape {
  if (dims === null) return [width];
  const sameShape = new Set([name]);
  for (const layer of layers) {
    if (!layer.inputs.some((input) => sameShape.has(input))) continue;
    const rule = ruleOf(layer);
    if (rule.overAnything !== true) return staysWhole(layer, rule, dims, width) ? dims : [width];
    sameShape.add(layer.name);
  }
  return [width];
}

function staysWhole(layer: Layer, rule: LayerRule, dims: readonly Size[], width: Size): boolean {
  if (dims.length === 3) return rule.overImages === true;
  const others = layer.inputs.slice(1).map(() => null);
  return 'misfit' in rule.shapeAfter(layer, [[width], ...others]);
}

/** One layer's place in the graph. */
export interface LayerShapes {
  layer: Layer;
  inputs: RowShape[];
  /** null where it does not fit, or what it takes does not */
  output: RowShape;
  misfit: Misfit | null;
}

/** Shapes of every layer's inputs and output, in order. Names that are not there give null. */
export function shapesOf(layers: readonly Layer[], ofInputs: ReadonlyMap<string, RowShape>): LayerShapes[] {
  const shapes = new Map<string, RowShape>(ofInputs);
  return layers.map((layer) => {
    const inputs = layer.inputs.map((name) => shapes.get(name) ?? null);
    const after = ruleOf(layer).shapeAfter(layer, inputs);
    const output = 'shape' in after ? after.shape : null;
    shapes.set(layer.name, output);
    return { layer, inputs, output, misfit: 'misfit' in after ? after.misfit : null };
  });
}
