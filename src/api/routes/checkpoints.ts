import type { FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { type CheckpointRow, getCheckpoint, listCheckpoints } from '../../db/checkpoints.ts';
import { getEvaluation } from '../../db/evaluations.ts';
import { Checkpoint } from '../../spec/checkpoint.ts';
import { ApiError } from '../../spec/errors.ts';
import { didYouMean } from '../../spec/suggest.ts';
import { type Api, type ApiDeps, ofTenant } from '../deps.ts';
import { DOWNLOAD_DESCRIPTION, DownloadQuery, sendDownload } from '../download.ts';
import { presentCheckpoint } from '../present.ts';
import { checkId, IdParams, listOf } from '../request-parts.ts';
import { FILE_RESPONSES } from '../send-file.ts';
import { findJob } from './jobs.ts';

const Params = Type.Object({
  id: Type.String(),
  reference: Type.String({ description: '`latest`, `best` or the id of a checkpoint' }),
});

/** A checkpoint of the job in the address; throws invalid_id, job_not_found, and as below. */
export async function findCheckpointOf(
  deps: ApiDeps,
  request: FastifyRequest,
  reference: string,
): Promise<CheckpointRow> {
  return findCheckpoint(deps, request, (await findJob(deps, request)).id, reference);
}

/** A checkpoint of a job by reference; throws checkpoint_not_ready while the job has none, checkpoint_not_found. */
async function findCheckpoint(
  deps: ApiDeps,
  request: FastifyRequest,
  jobId: string,
  reference: string,
): Promise<CheckpointRow> {
  const { db } = ofTenant(deps, request);
  const named = reference === 'latest' || reference === 'best';
  if (!named && !reference.startsWith('ckpt_'))
    throw new ApiError(
      'invalid_id',
      `A checkpoint is best, latest or an id like ckpt_01h455vb4pex5vsknk084sn02q.${didYouMean(reference, ['best', 'latest'])}`,
    );
  const row = await getCheckpoint(db, jobId, named ? reference : checkId('checkpoint', reference));
  if (row !== null) return row;
  if (named) throw new ApiError('checkpoint_not_ready', `The job has no ${reference} checkpoint yet.`);
  throw new ApiError('checkpoint_not_found', `The job has no checkpoint ${reference}.`);
}

export function addCheckpointRoutes(app: Api, deps: ApiDeps): void {
  app.get(
    '/v1/jobs/:id/checkpoints',
    {
      config: { access: 'jobs:read' },
      schema: {
        tags: ['checkpoints'],
        summary: 'Checkpoints of a job, newest first',
        params: IdParams,
        response: { 200: listOf(Checkpoint) },
      },
    },
    async (request) => {
      const rows = await listCheckpoints(ofTenant(deps, request).db, (await findJob(deps, request)).id);
      return { data: rows.map(presentCheckpoint), has_more: false, next_cursor: null };
    },
  );

  app.get(
    '/v1/jobs/:id/checkpoints/:reference',
    {
      config: { access: 'jobs:read' },
      schema: { tags: ['checkpoints'], summary: 'A checkpoint', params: Params, response: { 200: Checkpoint } },
    },
    async (request) =>
      presentCheckpoint(await findCheckpointOf(deps, request, (request.params as { reference: string }).reference)),
  );

  app.get(
    '/v1/jobs/:id/checkpoints/:reference/download',
    {
      config: { access: 'jobs:read' },
      schema: {
        tags: ['checkpoints'],
        summary: 'Download a checkpoint',
        description: DOWNLOAD_DESCRIPTION,
        params: Params,
        querystring: DownloadQuery,
        response: FILE_RESPONSES,
      },
    },
    async (request, reply) => {
      const job = await findJob(deps, request);
      const row = await findCheckpoint(deps, request, job.id, (request.params as { reference: string }).reference);
      const { id, storageKey, sizeBytes, sha256, metrics, step } = row;
      const figures = async () => {
        const { tenant, db } = ofTenant(deps, request);
        const found = (await getEvaluation(db, tenant, job.id))?.figures ?? null;
        return { metrics, job_metrics: job.metrics, evaluation: found?.weights.step === step ? found : null };
      };
      return sendDownload(deps, request, reply, { id, name: id, storageKey, sizeBytes, sha256, figures });
    },
  );
}
