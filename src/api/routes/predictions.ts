import { Type } from 'typebox';
import { ApiError, type ProblemError } from '../../spec/errors.ts';
import { MOST_MISTAKES, pointerTo } from '../../spec/mistake.ts';
import { didYouMean, listWords } from '../../spec/suggest.ts';

import type { Api, ApiDeps } from '../deps.ts';
import { IdParams } from '../request-parts.ts';
import { findCheckpoint } from './checkpoints.ts';
import { findJob } from './jobs.ts';

const MAX_ROWS = 1000;

const Body = Type.Object({
  rows: Type.Array(Type.Record(Type.String(), Type.Unknown()), {
    minItems: 1,
    maxItems: MAX_ROWS,
    description: 'objects by column; what is left out is taken as missing',
  }),
  checkpoint: Type.String({
    default: 'best',
    maxLength: 100,
    description: '`best`, `latest` or an id; without a best one, the latest',
  }),
});

export function addPredictionRoutes(app: Api, deps: ApiDeps): void {
  app.post(
    '/v1/jobs/:id/predict',
    {
      config: { access: 'models:predict' },
      schema: {
        tags: ['predictions'],
        summary: 'Predict rows',
        params: IdParams,
        body: { ...Body, required: ['rows'] },
        response: {
          200: Type.Object({
            predictions: Type.Array(Type.Record(Type.String(), Type.Unknown())),
            checkpoint: Type.String(),
          }),
        },
      },
    },
    async (request) => {
      const job = await findJob(deps, request);
      const { rows, checkpoint: reference } = readBody(request.body);
      const checkpoint =
        reference === undefined
          ? await findCheckpoint(deps, request, job.id, 'best').catch((error: unknown) => {
              // a job may have been cut short before anything was its best
              if (error instanceof ApiError && error.code === 'checkpoint_not_ready')
                return findCheckpoint(deps, request, job.id, 'latest');
              throw error;
            })
          : await findCheckpoint(deps, request, job.id, reference);
      const { id, storageKey, sha256 } = checkpoint;
      return {
        predictions: await deps.predictor.predict({ checkpointId: id, storageKey, sha256, rows }),
        checkpoint: id,
      };
    },
  );
}

/** Says everything that is wrong with the form. */
function readBody(body: unknown): { rows: Record<string, unknown>[]; checkpoint: string | undefined } {
  if (!isObject(body)) throw refuse([wrong('', 'must be an object', 'an object with rows')]);
  const errors = Object.keys(body)
    .filter((key) => !FIELDS.includes(key))
    .map((key) =>
      wrong(
        pointerTo('', key.slice(0, 100)),
        `There is no field "${key.slice(0, 100)}" here.${didYouMean(key, FIELDS)}`,
        `one of: ${listWords(FIELDS)}`,
      ),
    );
  const { rows, checkpoint } = body;
  if (!Array.isArray(rows) || rows.length < 1 || rows.length > MAX_ROWS)
    errors.push(wrong('/rows', `must be a list of 1 to ${MAX_ROWS} rows`, 'a list of objects'));
  else
    rows.forEach((row, i) => {
      if (!isObject(row)) errors.push(wrong(`/rows/${i}`, 'must be an object by column', 'an object'));
    });
  if (checkpoint !== undefined && typeof checkpoint !== 'string')
    errors.push(wrong('/checkpoint', 'must be text', 'best, latest or an id'));
  if (errors.length > 0) throw refuse(errors);
  return { rows: rows as Record<string, unknown>[], checkpoint: checkpoint as string | undefined };
}

const FIELDS = ['rows', 'checkpoint'];

function wrong(pointer: string, detail: string, expected: string): ProblemError {
  return { pointer, code: 'invalid_field', detail, expected };
}

function refuse(errors: ProblemError[]): ApiError {
  const [first] = errors;
  return new ApiError('invalid_field', `${first!.pointer === '' ? 'The body' : first!.pointer}: ${first!.detail}`, {
    errors: errors.slice(0, MOST_MISTAKES),
  });
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
