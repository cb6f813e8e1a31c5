import type { FastifyRequest } from 'fastify';
import { type EvaluationRow, getEvaluation } from '../../db/evaluations.ts';
import type { JobRow } from '../../db/jobs.ts';
import { ApiError } from '../../spec/errors.ts';
import { Evaluation } from '../../spec/evaluation.ts';
import { type Api, type ApiDeps, ofTenant } from '../deps.ts';
import { presentEvaluation } from '../present.ts';
import { IdParams } from '../request-parts.ts';
import { findJob } from './jobs.ts';

/** The evaluation of a job; throws evaluation_not_ready. */
async function findEvaluation(deps: ApiDeps, request: FastifyRequest, job: JobRow): Promise<EvaluationRow> {
  const { tenant, db } = ofTenant(deps, request);
  const row = await getEvaluation(db, tenant, job.id);
  if (row === null)
    throw new ApiError('evaluation_not_ready', `The job ${job.id} is ${job.status} and has no evaluation.`);
  return row;
}

export function addEvaluationRoutes(app: Api, deps: ApiDeps): void {
  app.get(
    '/v1/jobs/:id/evaluation',
    {
      config: { access: 'jobs:read' },
      schema: {
        tags: ['jobs'],
        summary: 'How good the result is',
        description:
          'With the best weights: per split and target the figures that fit the task, each with a 95 % confidence interval by bootstrap and beside a baseline that answers the same to every row (the most frequent class, the mean). Early stopping has chosen by the validation split, so figures of the test split are the ones to trust. Rows count alike, whatever their weights in training. Written with the success of the job.',
        params: IdParams,
        response: { 200: Evaluation },
      },
    },
    async (request) => {
      const job = await findJob(deps, request);
      return presentEvaluation(job, await findEvaluation(deps, request, job));
    },
  );
}
