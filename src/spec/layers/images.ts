import { misfit, type RowShape, type ShapeAfter, show } from './rule.ts';

/** What layers over images (height, width, channels) have in common. */

export type ImageShape = readonly [number, number, number];

/** A mistake, unless an image comes in. */
export function notAnImage(type: string, shape: RowShape | undefined): ShapeAfter | null {
  if (shape != null && shape.length === 3 && shape.every((n) => n !== null)) return null;
  const given = shape == null || shape.some((n) => n === null) ? 'a vector' : show(shape);
  return misfit(
    'type',
    `${type} takes an image (height, width, channels); what comes in is ${given}`,
    'an image column as the only input, or reshape before it',
  );
}

export function reachesBeyond(
  field: string,
  reach: number,
  height: number,
  width: number,
  expected: string,
): ShapeAfter {
  return misfit(field, `a window of ${reach} × ${reach} reaches beyond an image of ${height} × ${width}`, expected);
}

/** Windows of `reach` that lie wholly inside `size` places. */
export function placesOf(size: number, reach: number, stride: number): number {
  return Math.floor((size - reach) / stride) + 1;
}
