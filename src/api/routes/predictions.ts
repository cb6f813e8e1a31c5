import { Type } from 'typebox';
import { ApiError } from '../../spec/errors.ts';

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
      const checkpoint = await findCheckpoint(deps, job.id, reference ?? 'best');
      const { id, storageKey, sha256 } = checkpoint;
      return {
        predictions: await deps.predictor.predict({ checkpointId: id, storageKey, sha256, rows }),
        checkpoint: id,
      };
    },
  );
}

function readBody(body: unknown): { rows: Record<string, unknown>[]; checkpoint: string | undefined } {
  const refuse = (pointer: string, detail: string, expected: string) =>
    new ApiError('invalid_field', `${pointer}: ${detail}`, {
      errors: [{ pointer, code: 'invalid_field', detail, expected }],
    });
  const isObject = (value: unknown): value is Record<string, unknown> =>
    typeof value === 'object' && value !== null && !Array.isArray(value);
  if (!isObject(body)) throw refuse('', 'must be an object', 'an object with rows');
  const unknown = Object.keys(body).find((key) => key !== 'rows' && key !== 'checkpoint');
  if (unknown !== undefined)
    throw refuse(`/${unknown.slice(0, 100)}`, 'There is no such field here.', 'rows, checkpoint');
  const { rows, checkpoint } = body;
  if (!Array.isArray(rows) || rows.length < 1 || rows.length > MAX_ROWS)
    throw refuse('/rows', `must be a list of 1 to ${MAX_ROWS} rows`, 'a list of objects');
  const wrong = rows.findIndex((row) => !isObject(row));
  if (wrong >= 0) throw refuse(`/rows/${wrong}`, 'must be an object by column', 'an object');
  if (checkpoint !== undefined && typeof checkpoint !== 'string')
    throw refuse('/checkpoint', 'must be text', 'best, latest or an id');
  return { rows, checkpoint };
}
