import { type Static, Type } from 'typebox';
import { JUDGED_SPLITS, TASKS } from './evaluation.ts';
import { closed, JsonNumber, nullable, words } from './schema.ts';

/** Two jobs' answers to the same rows, held against each other. */

const number = nullable(JsonNumber);

const Difference = closed(
  {
    a: number,
    b: number,
    difference: nullable(JsonNumber, { description: 'a − b' }),
    low: nullable(JsonNumber, {
      description:
        'of the 95 % interval of the difference; both jobs’ figures are of the same drawn rows (paired bootstrap)',
    }),
    high: number,
    better: nullable(words(['a', 'b']), { description: 'null: the interval holds 0, so the rows do not tell' }),
  },
  { title: 'Difference' },
);

const McNemar = closed(
  {
    only_a_right: Type.Integer(),
    only_b_right: Type.Integer(),
    p_value: Type.Number({ description: 'two-sided, exact (binomial)' }),
  },
  {
    title: 'McNemar',
    description:
      'Whether the rows that one alone has right are evenly shared (McNemar 1947): of a small p-value they are not.',
  },
);

export const TargetComparison = closed(
  {
    name: Type.String(),
    task: words(TASKS),
    metrics: Type.Record(Type.String(), Difference),
    mcnemar: nullable(McNemar, { description: 'of classes' }),
  },
  { title: 'TargetComparison' },
);
export type TargetComparison = Static<typeof TargetComparison>;

const SplitComparison = closed(
  { rows: Type.Integer(), resamples: Type.Integer(), targets: Type.Array(TargetComparison) },
  { title: 'SplitComparison' },
);
export type SplitComparison = Static<typeof SplitComparison>;

export const Comparison = closed(
  {
    a: Type.String({ description: 'job id' }),
    b: Type.String({ description: 'job id' }),
    splits: Type.Partial(
      Type.Object({ validation: SplitComparison, test: SplitComparison, train: SplitComparison, all: SplitComparison }),
    ),
    left_out: Type.Array(closed({ split: words(JUDGED_SPLITS), reason: Type.String() }), {
      description: 'splits that one or both have and that cannot be compared',
    }),
  },
  { title: 'Comparison' },
);
export type Comparison = Static<typeof Comparison>;
