import { Type } from 'typebox';
import { showCount } from '../show-count.ts';
import { misfit, type RowShape, type ShapeAfter, show } from './rule.ts';

/** What layers over images (height, width, channels) and sequences (length, channels) have in common. */

export type ImageShape = readonly [number, number, number];
export type SequenceShape = readonly [number, number];

/** Both sides of a window, or a number that stands for both. */
export type Sides = number | [height: number, width: number];

export function sides(description: string, options: Record<string, unknown> = {}, minimum = 1) {
  const side = Type.Integer({ minimum, maximum: 64 });
  return Type.Unsafe<Sides>({
    anyOf: [side, Type.Array(side, { minItems: 2, maxItems: 2 })],
    description: `${description}: [height, width], or one number for both`,
    ...options,
  });
}

export function bothSides(value: Sides): [height: number, width: number] {
  return typeof value === 'number' ? [value, value] : value;
}

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

/** A mistake, unless a sequence comes in. */
export function notASequence(type: string, shape: RowShape | undefined): ShapeAfter | null {
  if (shape != null && shape.length === 2 && shape.every((n) => n !== null)) return null;
  const given = shape == null || shape.some((n) => n === null) ? 'a vector' : show(shape);
  return misfit('type', `${type} takes a sequence (length, channels); what comes in is ${given}`, 'reshape before it');
}

export function reachesBeyond(
  field: string,
  reach: readonly number[],
  sizes: readonly number[],
  expected: string,
): ShapeAfter {
  const what = sizes.length === 1 ? 'a sequence' : 'an image';
  return misfit(field, `a window of ${reach.join(' × ')} reaches beyond ${what} of ${sizes.join(' × ')}`, expected);
}

/** Longest side of an image that a layer may make of a smaller one. */
const LONGEST_SIDE = 65_536;

export function tooLarge(
  field: string,
  given: ImageShape | SequenceShape,
  larger: readonly number[],
): ShapeAfter | null {
  if (Math.max(...larger) <= LONGEST_SIDE) return null;
  return misfit(
    field,
    `it makes ${show(given)} ${given.length === 2 ? 'a sequence' : 'an image'} of ${show(larger)}`,
    `sides of at most ${showCount(LONGEST_SIDE)}`,
  );
}

/** Windows of `reach` that lie wholly inside `size` places. */
export function placesOf(size: number, reach: number, stride: number): number {
  return Math.floor((size - reach) / stride) + 1;
}
