import { type Static, Type } from 'typebox';
import { Diagnosis } from './diagnosis.ts';
import { Note } from './note.ts';
import { closed, JsonNumber, nullable, words } from './schema.ts';

/** How good a job's result is: figures by split and target, where it is wrong, and what its learning curve says. */

/** Parts of a dataset that are judged; `all`: every row, where a checkpoint is judged on a dataset of its own. */
export const JUDGED_SPLITS = ['train', 'validation', 'test', 'all'] as const;
export type JudgedSplit = (typeof JUDGED_SPLITS)[number];

const figure = nullable(JsonNumber);

export const Figure = closed(
  {
    value: nullable(JsonNumber, { description: 'null where it is not defined, such as an AUC with one class alone' }),
    low: nullable(JsonNumber, { description: 'of the 95 % confidence interval; null where there is none' }),
    high: figure,
    baseline: nullable(JsonNumber, { description: 'the same figure of the baseline' }),
  },
  { title: 'Figure' },
);
export type Figure = Static<typeof Figure>;

const ClassFigures = closed(
  {
    class: Type.String(),
    rows: Type.Integer({ description: 'of this class' }),
    precision: figure,
    recall: figure,
    f1: figure,
    roc_auc: nullable(JsonNumber, { description: 'of this class against all others' }),
    average_precision: figure,
  },
  { title: 'ClassFigures' },
);
export type ClassFigures = Static<typeof ClassFigures>;

export const Confusion = closed(
  {
    classes: Type.Array(nullable(Type.String()), {
      description: 'the most frequent ones; null, the last: all the others together',
    }),
    matrix: Type.Array(Type.Array(Type.Integer()), { description: 'rows by true class, columns by predicted class' }),
  },
  { title: 'Confusion' },
);
export type Confusion = Static<typeof Confusion>;

export const Calibration = closed(
  {
    expected_error: Type.Number({
      description: 'ECE: mean difference of confidence and accuracy over the bins, by their rows (Guo et al. 2017)',
    }),
    largest_error: Type.Number(),
    bins: Type.Array(
      closed({
        from: Type.Number(),
        to: Type.Number(),
        rows: Type.Integer(),
        confidence: figure,
        accuracy: figure,
      }),
      { description: 'by the probability of the predicted class' },
    ),
  },
  { title: 'Calibration' },
);
export type Calibration = Static<typeof Calibration>;

export const Residuals = closed(
  {
    mean: JsonNumber,
    standard_deviation: JsonNumber,
    quantiles: Type.Record(Type.String(), JsonNumber),
    histogram: closed({ from: JsonNumber, to: JsonNumber, counts: Type.Array(Type.Integer()) }),
    worst: Type.Array(
      closed({
        row: Type.Integer({ description: 'of the dataset, from 1' }),
        expected: JsonNumber,
        predicted: JsonNumber,
        residual: JsonNumber,
      }),
    ),
  },
  { title: 'Residuals', description: 'Predicted less expected.' },
);
export type Residuals = Static<typeof Residuals>;

export const Slice = closed(
  {
    column: Type.String(),
    parts: Type.Array(
      closed({
        value: Type.String({ description: 'a class, true or false, a range between quartiles, or missing' }),
        rows: Type.Integer(),
        figures: Type.Record(Type.String(), figure),
      }),
    ),
  },
  { title: 'Slice', description: 'The rows by the values of one column.' },
);
export type Slice = Static<typeof Slice>;

export const TASKS = ['classification', 'regression', 'language_model', 'embedding'] as const;

export const TargetEvaluation = closed(
  {
    name: Type.String(),
    task: words(TASKS),
    metrics: Type.Record(Type.String(), Figure),
    baseline: nullable(Type.String(), {
      description: 'what the baseline answers to every row, or to every place of a text',
    }),
    classes: nullable(Type.Array(ClassFigures)),
    confusion: nullable(Confusion),
    calibration: nullable(Calibration),
    residuals: nullable(Residuals),
    slices: Type.Array(Slice),
  },
  { title: 'TargetEvaluation' },
);
export type TargetEvaluation = Static<typeof TargetEvaluation>;

export const SplitEvaluation = closed(
  {
    rows: Type.Integer(),
    judged_rows: Type.Integer({ description: 'of a large split, and of training rows, a part is judged' }),
    resamples: Type.Integer({
      description: 'of the bootstrap behind the intervals (percentiles, Efron 1979); 0 where there is none',
    }),
    loss: nullable(JsonNumber, { description: 'what training makes smaller, over all rows' }),
    targets: Type.Array(TargetEvaluation),
  },
  { title: 'SplitEvaluation' },
);
export type SplitEvaluation = Static<typeof SplitEvaluation>;

export const Importance = closed(
  {
    split: words(JUDGED_SPLITS),
    rows: Type.Integer(),
    repeats: Type.Integer(),
    columns: Type.Array(
      closed({
        column: Type.String(),
        loss_increase: JsonNumber,
        standard_deviation: JsonNumber,
      }),
      { description: 'largest first' },
    ),
    left_out: Type.Integer({ description: 'columns that were not shuffled, or are not listed' }),
  },
  {
    title: 'Importance',
    description: 'By how much the loss grows when a column’s values are shuffled among rows (Breiman 2001).',
  },
);
export type Importance = Static<typeof Importance>;

export const Evaluation = closed(
  {
    job_id: Type.String(),
    dataset: Type.String(),
    weights: closed({
      which: words(['best', 'latest', 'given']),
      checkpoint: nullable(Type.String(), { description: 'of an evaluate job: the one that was judged' }),
      step: nullable(Type.Integer()),
      epoch: nullable(Type.Integer()),
    }),
    diagnosis: nullable(Diagnosis),
    splits: Type.Partial(
      Type.Object({
        train: SplitEvaluation,
        validation: SplitEvaluation,
        test: SplitEvaluation,
        all: SplitEvaluation,
      }),
    ),
    importance: nullable(Importance),
    notes: Type.Optional(
      Type.Array(Note, { description: 'of the rows, such as leakage: how far the figures can be trusted' }),
    ),
    created_at: Type.String({ format: 'date-time' }),
  },
  { title: 'Evaluation' },
);
export type Evaluation = Static<typeof Evaluation>;
