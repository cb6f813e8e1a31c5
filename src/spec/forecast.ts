import { type Static, Type } from 'typebox';
import { COLUMN_NAME, closed, derived } from './schema.ts';

/** Series: a network is told the last rows, and tells the target’s next values. */

export const Forecast = closed(
  {
    order_by: Type.Optional(
      Type.String({
        ...COLUMN_NAME,
        description:
          'a number or date column without missing values that tells the order of rows in time; left out: they are in the order of the dataset',
      }),
    ),
    group_by: Type.Optional(
      Type.String({
        ...COLUMN_NAME,
        description:
          'a column, no input unless named, that tells several series apart: no window goes from one to another',
      }),
    ),
    window: Type.Integer({
      minimum: 1,
      maximum: 512,
      default: 8,
      description: 'rows that the network is told, up to the last known one',
    }),
    horizon: Type.Integer({
      minimum: 1,
      maximum: 512,
      default: 1,
      description:
        'values of the target behind the window, all of which are told at once; of a category at most 64, each by an output layer of its own, and the loss is the sum of theirs',
    }),
    stride: Type.Integer({
      minimum: 1,
      maximum: 1e6,
      default: 1,
      description: 'rows from one training window to the next; held-out windows begin at every row',
    }),
    difference: Type.Boolean({
      ...derived('true for numbers, unless the loss takes them as they are; false for a category'),
      description:
        'what is learnt is the change of the target since the last row of the window, each step of the horizon scaled by itself; answers are values again. The target is an input then.',
    }),
  },
  {
    title: 'Forecast',
    description:
      'Rows are a series in time. The network takes `window` rows, as (window, width) or one vector, and tells `horizon` values of the target: numbers, or classes with their probabilities. Rows are split by time, and a window lies within one part with all that it tells.',
  },
);
export type Forecast = Static<typeof Forecast>;

/** Under which a step of the horizon is judged: `temperature+1` is the next value. */
export function nameStep(column: string, step: number): string {
  return `${column}+${step}`;
}
