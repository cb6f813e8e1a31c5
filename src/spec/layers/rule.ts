import type { Static, TSchema } from 'typebox';
import type { Initializer } from './initializer.ts';

/** What a specification knows of a layer: the form of its description, the shape it gives, and the parameters it has. */

/** Length of one dimension; null where it depends on the training rows (categories become one-hot). */
export type Size = number | null;

/** Dimensions of one row between layers; null where nothing is known of them any more. */
export type RowShape = readonly Size[] | null;

/** What does not fit: the field it is in, what is wrong, and what would do. */
export interface Misfit {
  field: string;
  detail: string;
  expected: string;
}

export type ShapeAfter = { shape: RowShape } | { misfit: Misfit };

/** A tensor of a layer, named `<layer>.<name>`. */
export interface ParameterRule {
  name: string;
  dims: readonly Size[];
  /** the field that says how it begins, where a client can say it */
  init?: { field: string; value: Initializer };
}

export interface LayerRule<S extends TSchema = TSchema> {
  schema: S;
  /** How many layers' outputs it takes; one where nothing is said. */
  arity?: { minimum: number; maximum: number };
  /** Takes (height, width, channels): where such a layer comes first, an image is not made a vector. */
  overImages?: boolean;
  /** Leaves the shape as it is, whatever it is. */
  overAnything?: boolean;
  /** Fills in what follows from other fields. */
  complete?(layer: Static<S>): void;
  shapeAfter(layer: Static<S>, inputs: readonly RowShape[]): ShapeAfter;
  parameters?(layer: Static<S>, inputs: readonly RowShape[]): ParameterRule[];
}

/** Keeps the types of a rule together while it is written down. */
export function layerRule<S extends TSchema>(rule: LayerRule<S>): LayerRule<S> {
  return rule;
}

export function misfit(field: string, detail: string, expected: string): ShapeAfter {
  return { misfit: { field, detail, expected } };
}

/** Number of values, null where a size is not known. */
export function sizeOf(dims: readonly Size[]): Size {
  return dims.reduce<Size>((product, n) => (product === null || n === null ? null : product * n), 1);
}

export function show(shape: readonly Size[]): string {
  return `(${shape.map((n) => n ?? '?').join(', ')})`;
}
