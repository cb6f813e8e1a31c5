import type { FastifyRequest } from 'fastify';
import { listValidations } from '../../db/evaluations.ts';
import { getJob, type JobRow, listJobs } from '../../db/jobs.ts';
import { createJobs } from '../../jobs/create-job.ts';
import { CrossValidation, DEFAULT_FOLDS, FOLD_OF, summarizeFolds } from '../../spec/cross-validation.ts';
import { ApiError } from '../../spec/errors.ts';
import type { SplitEvaluation } from '../../spec/evaluation.ts';
import { isObject } from '../../spec/is-object.ts';
import { FINAL_STATUSES } from '../../spec/job.ts';
import type { JobSpec } from '../../spec/job-spec.ts';
import { JobRequest } from '../../spec/request-form.ts';
import { cutName } from '../../spec/resolve-job.ts';
import { type Api, type ApiDeps, ofTenant } from '../deps.ts';
import { findMade, idFor } from '../idempotency.ts';
import type { Quotas } from '../quotas.ts';
import { IdParams } from '../request-parts.ts';
import { findJob, type Own, readSpec, refuseGoneOf } from './jobs.ts';

/** Jobs of one cross-validation that are looked at, the newest; a fold has one more for each time that it was retried. */
const MOST_JOBS = 200;

/** Cross-validation: a job for each fold, made at once, and what they say together. */
export function addCrossValidationRoutes(app: Api, deps: ApiDeps, quotas: Quotas): void {
  app.post(
    '/v1/jobs/cross-validate',
    {
      config: { access: 'jobs:write' },
      schema: {
        tags: ['jobs'],
        summary: 'Post a job for each fold',
        description: `The body of a job, whose rows but those for test are cut into \`split.folds\` (${DEFAULT_FOLDS} where it is left out): at random, by classes (\`stratify\`), by group or by time. As many jobs are queued, all or none, each with another fold for validation and \`metadata.${FOLD_OF}\`, and run as workers have time. The address in \`Location\` tells mean and deviation of what they reached. A job of a fold that failed or was cancelled can be retried: its retry counts in its place. A clone stands alone.`,
        body: JobRequest,
        response: { 201: CrossValidation },
      },
    },
    async (request, reply) => {
      const own = ofTenant(deps, request);
      const id = idFor(request, 'job');
      const made = await findMade(request, reply, () => getJob(own.db, own.tenant, id));
      const first = made ?? (await postFolds(own, quotas, id, request));
      return reply
        .code(201)
        .header('location', `/v1/jobs/${first.id}/cross-validation`)
        .send(await present(own, first));
    },
  );

  app.get(
    '/v1/jobs/:id/cross-validation',
    {
      config: { access: 'jobs:read' },
      schema: {
        tags: ['jobs'],
        summary: 'What the folds of a cross-validation say together',
        description: 'Of any of its jobs. A job that belongs to none is told alone.',
        params: IdParams,
        response: { 200: CrossValidation },
      },
    },
    async (request) => present(ofTenant(deps, request), await findJob(deps, request)),
  );
}

async function postFolds(own: Own, quotas: Quotas, id: string, request: FastifyRequest): Promise<JobRow> {
  const { spec, ...more } = await readSpec(own, withFirstFold(request.body));
  if (spec.kind === 'evaluate') throw refuse('/kind', 'an evaluation has no folds', 'train or fine_tune');
  const { openJobs: mostOpen } = await quotas.of(own.tenant);
  const { folds = DEFAULT_FOLDS } = spec.split;
  const ofFold = (fold: number): JobSpec => ({
    ...spec,
    name: cutName(`fold ${fold + 1} of ${folds}: ${spec.name}`),
    split: { ...spec.split, fold },
    metadata: { ...spec.metadata, [FOLD_OF]: id },
  });
  const jobs = Array.from({ length: folds }, (_, fold) => ({
    ...{ ...more, tenant: own.tenant, mostOpen, spec: ofFold(fold) },
    ...(fold === 0 && { id }),
  }));
  const [first] = await createJobs(own.db, jobs).catch(refuseGoneOf(spec.dataset));
  return first!;
}

/** Throws invalid_spec where one fold alone is asked for. What is wrong otherwise is told with the rest. */
function withFirstFold(body: unknown): unknown {
  if (!isObject(body)) return body;
  const { split = {}, metadata } = body;
  if (!isObject(split)) return body;
  if (split.fold !== undefined) throw refuse('/split/fold', 'every fold gets a job', 'leave it out, or POST /v1/jobs');
  if (isObject(metadata) && FOLD_OF in metadata)
    throw refuse(`/metadata/${FOLD_OF}`, 'is what the jobs are found again by', 'another key');
  return { ...body, split: { ...split, folds: split.folds ?? DEFAULT_FOLDS, fold: 0 } };
}

function refuse(pointer: string, detail: string, expected: string): ApiError {
  return new ApiError('invalid_spec', `${pointer}: ${detail}`, {
    errors: [{ pointer, code: 'invalid_spec', detail, expected }],
  });
}

async function present({ tenant, db }: Own, job: JobRow): Promise<CrossValidation> {
  const group = job.metadata[FOLD_OF];
  const found =
    group === undefined ? [job] : await listJobs(db, tenant, { limit: MOST_JOBS, metadata: { [FOLD_OF]: group } });
  const rows = group === undefined ? found : pickFolds(found.reverse());
  const validations = await listValidations(
    db,
    tenant,
    rows.map(({ id }) => id),
  );
  const figures = rows.map(({ id }) => figuresOf(validations.get(id)));
  const folds = group === undefined ? 1 : (job.spec.split.folds ?? 1);
  const hasEnded = rows.every(({ status }) => FINAL_STATUSES.includes(status));
  const isWhole = rows.length === folds && rows.every(({ status }) => status === 'succeeded');
  return {
    dataset: job.datasetId,
    folds,
    status: !hasEnded ? 'running' : isWhole ? 'succeeded' : 'failed',
    jobs: rows.map(({ id, status, spec }, i) => ({ id, fold: spec.split.fold ?? 0, status, metrics: figures[i]! })),
    metrics: summarizeFolds(figures),
  };
}

/**
 * Of jobs, the oldest first, the one of each fold that counts: the newest that has succeeded, or else the newest, of those that were posted for it and
 * of their retries. Clones, which may be of another spec, are passed over with their retries.
 */
function pickFolds(jobs: readonly JobRow[]): JobRow[] {
  const found = new Set(jobs.map(({ id }) => id));
  const own = new Set<string>();
  const byFold = new Map<number, JobRow>();
  for (const job of jobs) {
    const { id, origin, spec, status } = job;
    // a job that was retried may have been deleted since
    if (origin !== null && (origin.by === 'clone' || (found.has(origin.job_id) && !own.has(origin.job_id)))) continue;
    own.add(id);
    const fold = spec.split.fold ?? 0;
    if (byFold.get(fold)?.status !== 'succeeded' || status === 'succeeded') byFold.set(fold, job);
  }
  return [...byFold].sort(([a], [b]) => a - b).map(([, job]) => job);
}

function figuresOf(split: SplitEvaluation | undefined): Record<string, number> {
  if (split === undefined) return {};
  const { loss, targets } = split;
  const ofTargets = targets.flatMap(({ name, metrics }) =>
    Object.entries(metrics).flatMap(([metric, { value }]) =>
      value === null ? [] : [[targets.length > 1 ? `${name}.${metric}` : metric, Number(value)] as const],
    ),
  );
  return Object.fromEntries([...(loss === null ? [] : [['loss', Number(loss)] as const]), ...ofTargets]);
}
