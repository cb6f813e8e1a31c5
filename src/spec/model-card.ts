import { type Static, Type } from 'typebox';
import { Importance, SplitEvaluation } from './evaluation.ts';
import type { JobSpec } from './job-spec.ts';
import { ModelVersion } from './model-registry.ts';
import { Note } from './note.ts';
import { closed, nullable } from './schema.ts';

/** What somebody should know who is to use a model (Mitchell et al. 2019, "Model cards for model reporting"), as far as the service knows it. */
export const ModelCard = closed(
  {
    model: ModelVersion,
    about: Type.String({ description: 'the description of the model itself' }),
    spec: Type.Unsafe<JobSpec>({
      type: 'object',
      description: 'with which a job would train it again, to the same bits',
    }),
    dataset: nullable(
      closed({
        id: Type.String(),
        name: Type.String(),
        format: Type.String(),
        rows: Type.Integer(),
        size_bytes: Type.Integer(),
        sha256: Type.String(),
        deleted: Type.Boolean(),
        columns: Type.Array(Type.Record(Type.String(), Type.Unknown()), { description: 'the profile' }),
      }),
    ),
    evaluation: nullable(Type.Record(Type.String(), SplitEvaluation), {
      description: 'by split; null where these weights had not been judged when the version was made',
    }),
    importance: nullable(Importance),
    notes: Type.Array(Note, { description: 'of the rows it learnt from, such as leakage' }),
  },
  { title: 'ModelCard' },
);
export type ModelCard = Static<typeof ModelCard>;
