import type { FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { getCheckpointById } from '../../db/checkpoints.ts';
import { DatasetNotFoundError, type DatasetRow, getDataset } from '../../db/datasets.ts';
import { gather, oncePer } from '../../db/gather.ts';
import { getJob, type JobRow, listJobs } from '../../db/jobs.ts';
import { resolveModelVersion } from '../../db/model-versions.ts';
import { describeWaiting, type Waiting } from '../../db/turns.ts';
import { getWeights } from '../../db/weights.ts';
import { createJob, type NewJob } from '../../jobs/create-job.ts';
import { ApiError } from '../../spec/errors.ts';
import { isUpload, type KnownCheckpoint } from '../../spec/fine-tune.ts';
import { JOB_STATUSES, Job, type JobStatus } from '../../spec/job.ts';
import { JOB_KINDS, type JobKind } from '../../spec/job-spec.ts';
import type { Mistake } from '../../spec/mistake.ts';
import { formatModelPath, isModelPath, parseModelPath } from '../../spec/model-reference.ts';
import { type ExpandedRequest, validateJobRequest } from '../../spec/request.ts';
import { JobRequest } from '../../spec/request-form.ts';
import { type Resolution, resolveJob } from '../../spec/resolve-job.ts';

import type { Cursors } from '../cursor.ts';
import { type Api, type ApiDeps, ofTenant } from '../deps.ts';
import { findMade, idFor } from '../idempotency.ts';
import { presentJob } from '../present.ts';
import type { Quotas } from '../quotas.ts';
import { checkId, IdParams, listOf, PageQuery } from '../request-parts.ts';
import { SharedReads } from '../shared-reads.ts';

const ListQuery = Type.Object(
  {
    ...PageQuery,
    status: Type.Optional(Type.String({ enum: [...JOB_STATUSES] })),
    kind: Type.Optional(Type.String({ enum: [...JOB_KINDS] })),
    dataset: Type.Optional(Type.String({ maxLength: 100 })),
    created_after: Type.Optional(Type.String({ format: 'date-time', maxLength: 40, description: 'inclusive' })),
    created_before: Type.Optional(Type.String({ format: 'date-time', maxLength: 40, description: 'exclusive' })),
  },
  // `metadata.<key>=<value>` for any keys
  { openNames: 'metadata.' },
);

interface ListFilters {
  limit: number;
  cursor?: string;
  status?: JobStatus;
  kind?: JobKind;
  dataset?: string;
  created_after?: string;
  created_before?: string;
}

/** A job of the request's tenant; throws invalid_id, job_not_found. */
export async function findJob(deps: ApiDeps, request: FastifyRequest): Promise<JobRow> {
  const { tenant, db } = ofTenant(deps, request);
  const id = checkId('job', (request.params as { id: string }).id);
  const row = await getJob(db, tenant, id);
  if (row === null) throw new ApiError('job_not_found', `There is no job ${id}.`);
  return row;
}

/** A job as its client sees it, with its place in the queue. */
export async function presentWaiting(deps: ApiDeps, row: JobRow): Promise<Job> {
  return presentJob(row, row.status === 'queued' ? await gatheredWaiting(deps)(row) : null);
}

const gatheredWaiting = oncePer(({ db, config }: ApiDeps) =>
  gather(async (rows: JobRow[]) => {
    const waiting = await describeWaiting(db, rows, config.tenantRunningJobs);
    return rows.map(({ id }) => waiting.get(id) ?? null);
  }),
);

/** What a client decides by: where the job has come to; not how far it is, nor its place in the queue. */
export const decisive = ({ transitions }: JobRow) => transitions;

/** The dataset of a spec was deleted. */
export function refuseGone(datasetId: string): ApiError {
  return refuse([noSuchDataset(datasetId)]);
}

export function addJobRoutes(app: Api, deps: ApiDeps, cursors: Cursors, quotas: Quotas): void {
  const present = (row: JobRow) => presentWaiting(deps, row);
  /** those who look at one list ask for the same page */
  const pages = new SharedReads<{ rows: JobRow[]; waiting: Map<string, Waiting> }>();

  app.post(
    '/v1/jobs',
    {
      config: { access: 'jobs:write' },
      schema: {
        tags: ['jobs'],
        summary: 'Post a job',
        description:
          'Only `dataset` and `target` must be given; everything else has a default, and comes back filled in. Every mistake is told at once, each with a JSON pointer.',
        body: JobRequest,
        response: { 201: Job },
      },
    },
    async (request, reply) => {
      const own = ofTenant(deps, request);
      const id = idFor(request, 'job');
      const made = await findMade(request, reply, () => getJob(own.db, own.tenant, id));
      const row = made ?? (await postJob(own, quotas, { id, ...(await readSpec(own, request.body)) }));
      return reply
        .code(201)
        .header('location', `/v1/jobs/${row.id}`)
        .send(await present(row));
    },
  );

  app.get(
    '/v1/jobs',
    {
      config: { access: 'jobs:read' },
      schema: {
        tags: ['jobs'],
        summary: 'List jobs, newest first',
        description: 'Also by metadata: `metadata.<key>=<value>`, for any number of keys.',
        querystring: ListQuery,
        response: { 200: listOf(Job) },
      },
    },
    async (request) => {
      const {
        limit,
        cursor,
        status,
        kind,
        dataset,
        created_after: since,
        created_before: until,
      } = request.query as ListFilters;
      const metadata = readMetadata(request.query as Record<string, unknown>);
      const filters = {
        ...(status !== undefined && { status }),
        ...(kind !== undefined && { kind }),
        ...(dataset !== undefined && { dataset }),
        ...(since !== undefined && { createdAfter: new Date(since) }),
        ...(until !== undefined && { createdBefore: new Date(until) }),
        metadata,
      };
      const { tenant, db } = ofTenant(deps, request);
      const scope = `${tenant} jobs ${JSON.stringify(filters)}`;
      const after = cursor === undefined ? undefined : cursors.decode(cursor, scope);
      const { rows, waiting } = await pages.read(`${scope} ${limit} ${cursor}`, async () => {
        const rows = await listJobs(db, tenant, {
          ...filters,
          limit: limit + 1,
          ...(after !== undefined && { after }),
        });
        return { rows, waiting: await describeWaiting(deps.db, rows.slice(0, limit), deps.config.tenantRunningJobs) };
      });
      return cursors.page(rows, limit, scope, (row) => presentJob(row, waiting.get(row.id) ?? null));
    },
  );

  app.get(
    '/v1/jobs/:id',
    {
      config: { access: 'jobs:read' },
      schema: {
        tags: ['jobs'],
        summary: 'A job',
        description:
          'Its ETag is `"state.all"`: progress changes only what is behind the point, and `If-Match` on what is asked of a job looks only at what is in front.',
        params: IdParams,
        response: { 200: Job },
      },
    },
    async (request, reply) => {
      const row = await findJob(deps, request);
      reply.decisive = decisive(row);
      return present(row);
    },
  );
}

/** Throws invalid_spec where the dataset was deleted since the spec was looked at. */
export async function postJob(
  { tenant, db }: Own,
  quotas: Quotas,
  job: Omit<NewJob, 'tenant' | 'mostOpen'>,
): Promise<JobRow> {
  const { openJobs: mostOpen } = await quotas.of(tenant);
  return createJob(db, { tenant, mostOpen, ...job }).catch(refuseGoneOf(job.spec.dataset));
}

/** Says which dataset it was. */
export const refuseGoneOf =
  (datasetId: string) =>
  (error: unknown): never => {
    throw error instanceof DatasetNotFoundError ? refuseGone(datasetId) : error;
  };

export type Own = ReturnType<typeof ofTenant>;

/** The resolved spec of a request, and what was chosen for it; throws all that is wrong with its form, and with what of it can be read. */
export async function readSpec(own: Own, body: unknown): Promise<Pick<NewJob, 'spec' | 'choices' | 'transfer'>> {
  const { spec, choices, transfer } = await readJob(own, body);
  return { spec, choices, transfer };
}

/** The same, and what it is about. */
export async function readJob(own: Own, body: unknown) {
  const validation = validateJobRequest(body);
  const request = validation.ok ? validation.request : validation.rest;
  const { resolution, ...known } = request === null ? NOTHING : await resolve(own, request);
  if (validation.ok && resolution?.ok === true && known.dataset !== null) {
    const { spec, choices, transfer } = resolution;
    return { spec, choices, transfer, dataset: known.dataset, from: known.from };
  }
  const form = validation.ok ? [] : validation.mistakes;
  const sense = resolution === null || resolution.ok ? [] : resolution.mistakes;
  const isKnown = ({ pointer }: Mistake) => !validation.ok && validation.touched.has(pointer.split('/')[1] ?? '');
  throw refuse([...form, ...sense.filter((mistake) => !isKnown(mistake))]);
}

interface ResolvedRequest {
  resolution: Resolution | null;
  dataset: DatasetRow | null;
  from: KnownCheckpoint | null;
}

const NOTHING: ResolvedRequest = { resolution: null, dataset: null, from: null };

async function resolve(own: Own, request: ExpandedRequest): Promise<ResolvedRequest> {
  const { spec } = request;
  const dataset = await getDataset(own.db, own.tenant, spec.dataset);
  if (dataset === null)
    return { resolution: { ok: false, mistakes: [noSuchDataset(spec.dataset)] }, dataset, from: null };
  const load = async (reference: unknown) => (typeof reference === 'string' ? loadParent(own, reference) : null);
  const beginning = spec.model?.from;
  const find = async (id: unknown) => (isUpload(id) ? getWeights(own.db, own.tenant, id) : null);
  const weights = await find(beginning);
  const from = isUpload(beginning) ? null : await load(beginning);
  const adapter = await find(spec.model?.lora?.from);
  const teacher = await load(spec.training?.distillation?.teacher);
  const { id, name, rows, columns } = dataset;
  const resolution = resolveJob(request, { id, name, rows, columns }, from, { teacher, weights, adapter });
  return { resolution, dataset, from: from ?? teacher };
}

function noSuchDataset(id: string): Mistake {
  const detail = `There is no dataset ${id}.`;
  return { pointer: '/dataset', code: 'invalid_spec', detail, expected: 'the id of a dataset' };
}

/** Where the weights of a checkpoint, or of a version of a model, lie; null: there is none. */
export async function findWeights({ tenant, db }: Own, reference: string) {
  const path = parseModelPath(reference);
  const row =
    path === null ? await getCheckpointById(db, tenant, reference) : await resolveModelVersion(db, tenant, path);
  return row === null ? null : { storageKey: row.storageKey, sha256: row.sha256 };
}

/** A checkpoint, or the very version that the path of a model means now; null: there is none. */
async function loadParent({ tenant, db }: Own, reference: string): Promise<KnownCheckpoint | null> {
  if (isModelPath(reference)) {
    const path = parseModelPath(reference);
    const row = path === null ? null : await resolveModelVersion(db, tenant, path);
    if (row === null) return null;
    return { id: formatModelPath(row.model, row.version), spec: row.spec, preparation: row.preparation };
  }
  const checkpoint = await getCheckpointById(db, tenant, reference);
  if (checkpoint === null) return null;
  const job = await getJob(db, tenant, checkpoint.jobId);
  return job === null ? null : { id: checkpoint.id, spec: job.spec, preparation: checkpoint.preparation };
}

/** invalid_field where the form is wrong; otherwise the code of the first mistake. */
function refuse(mistakes: Mistake[]): ApiError {
  const code = mistakes.some((mistake) => mistake.code === 'invalid_field') ? 'invalid_field' : mistakes[0]!.code;
  const [first] = mistakes;
  const more = mistakes.length > 1 ? ` (and ${mistakes.length - 1} more)` : '';
  return new ApiError(code, `${first!.pointer === '' ? 'The body' : first!.pointer}: ${first!.detail}${more}`, {
    errors: mistakes,
  });
}

function readMetadata(query: Record<string, unknown>): Record<string, string> {
  const pairs = Object.entries(query).filter(([key]) => key.startsWith('metadata.'));
  return Object.fromEntries(pairs.map(([key, value]) => [key.slice('metadata.'.length), String(value)]));
}
