import type { FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { type EvaluationRow, getEvaluation } from '../../db/evaluations.ts';
import { getJob, type JobRow } from '../../db/jobs.ts';
import { ComparisonsBusyError, compareStored } from '../../judging/compare-stored.ts';
import { Comparison } from '../../spec/comparison.ts';
import { ApiError } from '../../spec/errors.ts';
import { Evaluation, JUDGED_SPLITS, type JudgedSplit } from '../../spec/evaluation.ts';
import { type Api, type ApiDeps, ofTenant } from '../deps.ts';
import { presentEvaluation } from '../present.ts';
import { checkId, IdParams } from '../request-parts.ts';
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
          'With the best weights: per split and target the figures that fit the task, each with a 95 % confidence interval by bootstrap and beside a baseline that looks at no input (the most frequent class, the mean, a token’s frequency; of a forecast of numbers, the last known value). Early stopping has chosen by the validation split, so figures of the test split are the ones to trust. Rows count alike, whatever their weights in training. Written with the success of the job.',
        params: IdParams,
        response: { 200: Evaluation },
      },
    },
    async (request) => {
      const job = await findJob(deps, request);
      return presentEvaluation(job, await findEvaluation(deps, request, job));
    },
  );

  app.get(
    '/v1/jobs/:id/evaluation/compare/:other',
    {
      config: { access: 'jobs:read' },
      schema: {
        tags: ['jobs'],
        summary: 'Compare two jobs row by row',
        description:
          'Differences of the figures of two jobs (a: `id`, b: `other`) that were judged on the same rows, with paired bootstrap intervals, and McNemar’s test for classes. Refused (409 `not_comparable`) where no split, or not the one that is asked for, has the same rows in both.',
        params: CompareParams,
        querystring: Type.Object({
          split: Type.Optional(
            Type.String({ enum: [...JUDGED_SPLITS], description: 'this one alone; else all that both have' }),
          ),
        }),
        response: { 200: Comparison },
      },
    },
    async (request): Promise<Comparison> => {
      const a = await findJob(deps, request);
      const b = await findOther(deps, request);
      const { split } = request.query as { split?: JudgedSplit };
      const places = [];
      for (const job of [a, b]) places.push(placeOf(job.id, await findEvaluation(deps, request, job)));
      const answer = await compareStored({
        a: places[0]!,
        b: places[1]!,
        split,
        storage: deps.storage.describe(),
      }).catch((error: unknown) => {
        if (!(error instanceof ComparisonsBusyError)) throw error;
        throw new ApiError('unavailable', 'Many comparisons wait already. Please try again.', {
          headers: { 'retry-after': '2' },
        });
      });
      if (answer.type === 'unreadable') throw refuseGone(answer.jobId);
      const { splits, left_out: leftOut } = answer.compared;
      if (Object.keys(splits).length === 0) {
        const byReason = Map.groupBy(leftOut, ({ reason }) => reason);
        const reasons = [...byReason].map(([reason, some]) => `${some.map((one) => one.split).join(', ')}: ${reason}`);
        throw new ApiError(
          'not_comparable',
          `${a.id} (a) and ${b.id} (b) cannot be compared: ${reasons.join('. ') || 'nothing was judged'}.`,
        );
      }
      return { a: a.id, b: b.id, splits, left_out: leftOut };
    },
  );
}

const CompareParams = Type.Object({ ...IdParams.properties, other: Type.String() });

async function findOther(deps: ApiDeps, request: FastifyRequest): Promise<JobRow> {
  const { tenant, db } = ofTenant(deps, request);
  const id = checkId('job', (request.params as { other: string }).other);
  const row = await getJob(db, tenant, id);
  if (row === null) throw new ApiError('job_not_found', `There is no job ${id}.`);
  return row;
}

function placeOf(jobId: string, { outcomesKey, outcomesSha256 }: EvaluationRow) {
  if (outcomesKey === null || outcomesSha256 === null) throw refuseGone(jobId);
  return { jobId, key: outcomesKey, sha256: outcomesSha256 };
}

function refuseGone(jobId: string): ApiError {
  return new ApiError('not_comparable', `What ${jobId} answered to each row is not kept any more.`);
}
