import { type Static, Type } from 'typebox';
import { COLUMN_NAME, closed, derived, words } from './schema.ts';

const fraction = Type.Number({ minimum: 0, exclusiveMaximum: 1, default: 0.1 });

export const Split = closed(
  {
    validation: fraction,
    test: fraction,
    shuffle: Type.Boolean({
      default: true,
      description:
        'false: in the order of the dataset, the last rows are for test and those before them for validation; always so for a corpus',
    }),
    stratify: Type.Boolean(derived('true for a category target that is shuffled')),
    seed: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, default: 0 }),
    group_by: Type.Optional(
      Type.String({
        ...COLUMN_NAME,
        description: 'a column, no input unless named: rows of one value are in one part',
      }),
    ),
    order_by: Type.Optional(
      Type.String({
        ...COLUMN_NAME,
        description:
          'a number or date column without missing values: the past is for training, what follows for validation, the end for test',
      }),
    ),
    given_by: Type.Optional(
      Type.String({
        ...COLUMN_NAME,
        description:
          'a column, no input unless named, that says `train`, `validation` or `test` for each row; a row where it says nothing is left out. `validation` and `test` are the shares that it gives.',
      }),
    ),
    folds: Type.Optional(
      Type.Integer({
        minimum: 2,
        maximum: 100,
        description:
          'cross-validation: rows that are not for test are cut into so many parts, one of which is for validation; with order_by every fold trains on what is before it. One job is one fold: `validation` follows.',
      }),
    ),
    fold: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 99,
        ...derived('0, with folds'),
        description: 'the part that is for validation, from 0',
      }),
    ),
    duplicates: Type.Optional(
      words(['keep', 'drop'], {
        description:
          'drop: of rows that are alike in every input and target, the first alone is used, before rows are split; left out: keep',
      }),
    ),
    balance: Type.Optional(
      words(['none', 'oversample', 'undersample'], {
        description:
          'how often training goes over rows of a category target: oversample: rows of small classes again, until each has as many as the largest; undersample: as many rows of each as the smallest has. Held-out rows stay as they are. Weights of classes (loss.class_weights "balanced") are another way. Left out: none',
      }),
    ),
  },
  { title: 'Split', description: 'Which rows are held out, and which training goes over.' },
);
export type Split = Static<typeof Split>;
