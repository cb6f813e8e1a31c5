import { misfit, type RowShape, type ShapeAfter, show } from './rule.ts';

/** What layers over sequences (steps, width) have in common. */

export type StepsShape = readonly [steps: number, width: number];

/** A mistake, unless a sequence of vectors comes in. */
export function notSteps(type: string, shape: RowShape | undefined, field = 'type'): ShapeAfter | null {
  if (shape != null && shape.length === 2 && shape.every((n) => n !== null)) return null;
  const given = shape == null || shape.some((n) => n === null) ? 'of unknown width' : show(shape);
  return misfit(
    field,
    `${type} takes a sequence (steps, width); what comes in is ${given}`,
    shape?.length === 2
      ? 'columns whose width is known before training: numbers, dates, categories by index, ordinal or hash'
      : 'an embedding, or reshape to [steps, width], before it',
  );
}
