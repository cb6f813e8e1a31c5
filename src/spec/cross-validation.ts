import { type Static, Type } from 'typebox';
import { JOB_STATUSES } from './job.ts';
import { closed, JsonNumber, nullable, words } from './schema.ts';

/** What jobs over the folds of one dataset say together. */

/** A job is a fold of the cross-validation that this key of its metadata names: by the id of the job of its first fold. */
export const FOLD_OF = 'cross_validation';
export const DEFAULT_FOLDS = 5;

export const CrossValidation = closed(
  {
    dataset: Type.String(),
    folds: Type.Integer(),
    status: words(['running', 'succeeded', 'failed'], {
      description:
        'running: until every job has ended; failed: one of them, or it was cancelled or deleted. `POST /v1/jobs/{id}/retry` tries that one again, and the retry counts in its place',
    }),
    jobs: Type.Array(
      closed({
        id: Type.String(),
        fold: Type.Integer({ description: 'from 0' }),
        status: words(JOB_STATUSES),
        metrics: Type.Record(Type.String(), JsonNumber, {
          description: 'of its validation split; empty until it is judged',
        }),
      }),
    ),
    metrics: Type.Record(
      Type.String(),
      closed({
        mean: JsonNumber,
        standard_deviation: nullable(JsonNumber, { description: 'of a sample; null for one fold' }),
        folds: Type.Integer({ description: 'that have the figure' }),
      }),
      {
        description:
          'over the folds that are judged: `loss`, `accuracy`, `rmse`, …; of several targets `<target>.rmse`',
      },
    ),
  },
  { title: 'CrossValidation' },
);
export type CrossValidation = Static<typeof CrossValidation>;

/** Of each figure mean and deviation over those who have it. */
export function summarizeFolds(folds: readonly Record<string, number>[]): CrossValidation['metrics'] {
  const names = new Set(folds.flatMap((fold) => Object.keys(fold)));
  return Object.fromEntries(
    [...names].map((name) => {
      const values = folds.flatMap((fold) => (name in fold ? [fold[name]!] : []));
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
      const deviation = values.length > 1 ? Math.sqrt(squares / (values.length - 1)) : null;
      return [name, { mean, standard_deviation: deviation, folds: values.length }];
    }),
  );
}
