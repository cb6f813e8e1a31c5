import { type Static, Type } from 'typebox';
import { NORMALIZATION_TEXT, NORMALIZATIONS, Outliers, Transform } from './column-options.ts';
import { OutputLayer } from './layers/dense.ts';
import { NAME } from './layers/fields.ts';
import { Loss } from './loss.ts';
import { COLUMN_NAME, closed, derived, words } from './schema.ts';

export const Target = closed(
  {
    columns: Type.Array(Type.String(COLUMN_NAME), {
      minItems: 1,
      maxItems: 1000,
      uniqueItems: true,
      examples: [['species']],
      description: 'or `column`, where it is one',
    }),
    type: words(
      ['number', 'category', 'next_token'],
      derived(
        'category for category, boolean and text columns of few values, and for whole numbers that look like classes (two of them, or up to 10 that follow each other from 0 or 1 on) where no loss, transform, outliers or normalize speak of amounts; number for other numbers; next_token for a corpus',
      ),
    ),
    normalize: words(NORMALIZATIONS, {
      ...derived('standard for numbers, none for a category, and for losses that take numbers as they are'),
      description: `${NORMALIZATION_TEXT}. Predictions come back in the column’s own units.`,
    }),
    outliers: Type.Optional(Outliers),
    transform: Type.Optional(Transform),
  },
  {
    title: 'Target',
    description:
      'What is predicted: a column name, a list of number columns, or an object with `column` or `columns`. Of an autoencoder, the columns of `inputs`.',
  },
);
export type Target = Static<typeof Target>;

export const MoreTarget = closed(
  {
    name: Type.String({
      pattern: NAME,
      maxLength: 64,
      ...derived('the column where that is a name, else target_2, target_3, …'),
      description: 'its output layer is output_<name>; its metrics are <name>.loss, <name>.accuracy, …',
    }),
    ...Target.properties,
    loss: Type.Unsafe<Loss>({ ...Loss, ...derived('cross_entropy for a category, mse for numbers') }),
    weight: Type.Number({
      exclusiveMinimum: 0,
      maximum: 1e6,
      default: 1,
      description: 'factor of its loss in the sum; that of `target` has 1',
    }),
    output: Type.Unsafe<OutputLayer>({
      anyOf: [OutputLayer],
      ...derived('a dense layer after what `target` is told from'),
    }),
  },
  {
    title: 'MoreTarget',
    description: 'Another target of the same network, with an output layer and a loss of its own.',
  },
);
export type MoreTarget = Static<typeof MoreTarget>;
