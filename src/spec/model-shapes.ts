import { type Misfit, type RowShape, type Size, sizeOf } from './layers/rule.ts';
import { ruleOf } from './layers/rules.ts';
import type { Layer } from './model.ts';

/** The name under which layers take the model's inputs. */
export const MODEL_INPUT = 'input';

/**
 * The shape in which layers meet the model's inputs: an image stays one where a layer over images comes first; otherwise every row is
 * one vector, so that dense layers alone need no flatten.
 */
export function shapeOfInputs(layers: readonly Layer[], image: readonly number[] | null, width: Size): RowShape {
  const first = layers.map(ruleOf).find((rule) => rule.overAnything !== true);
  return image !== null && first?.overImages === true ? image : [width];
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
export function shapesOf(layers: readonly Layer[], ofInputs: RowShape): LayerShapes[] {
  const shapes = new Map<string, RowShape>([[MODEL_INPUT, ofInputs]]);
  return layers.map((layer) => {
    const inputs = layer.inputs.map((name) => shapes.get(name) ?? null);
    const after = ruleOf(layer).shapeAfter(layer, inputs);
    const output = 'shape' in after ? after.shape : null;
    shapes.set(layer.name, output);
    return { layer, inputs, output, misfit: 'misfit' in after ? after.misfit : null };
  });
}

/** Values in one row; null where that is not known. */
export function widthOfShape(shape: RowShape): Size {
  return shape === null ? null : sizeOf(shape);
}
