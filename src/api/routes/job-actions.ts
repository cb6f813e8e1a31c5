import type { FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { DatasetNotFoundError } from '../../db/datasets.ts';
import { getJob, type JobRow } from '../../db/jobs.ts';
import { deleteJob } from '../../jobs/delete-job.ts';
import { cancelJob, pauseJob, resumeJob } from '../../jobs/request-change.ts';
import { retryJob } from '../../jobs/retry-job.ts';
import type { CheckJob } from '../../jobs/transitions.ts';
import { FOLD_OF } from '../../spec/cross-validation.ts';
import { ApiError } from '../../spec/errors.ts';
import { isObject } from '../../spec/is-object.ts';
import { Job, type JobStatus } from '../../spec/job.ts';

import { type Api, type ApiDeps, ofTenant } from '../deps.ts';
import { ifDecidedOn } from '../entity-tags.ts';
import { findMade, idFor } from '../idempotency.ts';
import type { Quotas } from '../quotas.ts';
import { removeFiles } from '../remove-files.ts';
import { checkId, IdParams } from '../request-parts.ts';
import { decisive, findJob, postJob, presentWaiting, readSpec, refuseGone } from './jobs.ts';

/** What can be done with a job that is there. */

const idOf = (request: FastifyRequest) => checkId('job', (request.params as { id: string }).id);

function orNotFound<T>(found: T | null, id: string): T {
  if (found === null) throw new ApiError('job_not_found', `There is no job ${id}.`);
  return found;
}

interface Request {
  summary: string;
  description: string;
  /** the job is so when the request has been fulfilled (200); until then it is on its way (202) */
  done: readonly JobStatus[];
  ask: typeof cancelJob;
}

const REQUESTS: Record<string, Request> = {
  cancel: {
    summary: 'Cancel a job',
    description:
      'A job that waits or is paused is cancelled at once (200); a running one stops within a step and keeps its checkpoint (202).',
    done: ['cancelled'],
    ask: cancelJob,
  },
  pause: {
    summary: 'Pause a job',
    description:
      'A job that waits is paused at once (200); a running one writes a checkpoint and lets go of its worker (202). It stays paused until it is resumed or cancelled.',
    done: ['paused'],
    ask: pauseJob,
  },
  resume: {
    summary: 'Resume a paused job',
    description:
      'It waits for a worker again, and goes on at the very step, to the same bits as if it had never paused.',
    done: ['queued', 'running'],
    ask: resumeJob,
  },
};

const IF_MATCH = ' With `If-Match` only where the job is still in the state of that ETag (else 412).';
const PATCH = {
  type: 'object',
  // of the spec's own fields there are fewer
  maxProperties: 50,
  description: 'changes to the spec, as a JSON merge patch (RFC 7396); may be left out',
};

export function addJobActions(app: Api, deps: ApiDeps, quotas: Quotas): void {
  const { storage } = deps;
  /** `act` on the job as the client has seen it, where it says what it has seen. */
  const asSeen = <Done>(request: FastifyRequest, act: (check?: CheckJob) => Promise<Done>) =>
    ifDecidedOn(request, { decisive, read: () => readSeen(request) }, act);
  const readSeen = async (request: FastifyRequest) => {
    const row = await findJob(deps, request);
    return { row, body: await presentWaiting(deps, row) };
  };

  for (const [name, { summary, description, done: aims, ask }] of Object.entries(REQUESTS)) {
    app.post(
      `/v1/jobs/:id/${name}`,
      {
        config: { access: 'jobs:write' },
        schema: {
          tags: ['jobs'],
          summary,
          description: description + IF_MATCH,
          params: IdParams,
          response: { 200: Job, 202: Job },
        },
      },
      async (request, reply) => {
        const id = idOf(request);
        const own = ofTenant(deps, request);
        const done = await asSeen(request, (check) => ask(own.db, own.tenant, id, check));
        const row = orNotFound(done, id);
        return reply.code(aims.includes(row.status) ? 200 : 202).send(await presentWaiting(deps, row));
      },
    );
  }

  const sendNew = async (
    reply: { code(status: 201): { header(name: string, value: string): { send(body: Job): unknown } } },
    row: JobRow,
  ) =>
    reply
      .code(201)
      .header('location', `/v1/jobs/${row.id}`)
      .send(await presentWaiting(deps, row));

  app.post(
    '/v1/jobs/:id/retry',
    {
      config: { access: 'jobs:write' },
      schema: {
        tags: ['jobs'],
        summary: 'Try a failed or cancelled job again',
        description:
          'What has ended does not change, so a new job is made. It goes on from the newest checkpoint of the old one, with its metrics up to there; without one it begins anew. Of a cross-validation’s fold it takes the place.' +
          IF_MATCH,
        params: IdParams,
        response: { 201: Job },
      },
    },
    async (request, reply) => {
      const id = idOf(request);
      const own = ofTenant(deps, request);
      const newId = idFor(request, 'job');
      const made = await findMade(request, reply, () => getJob(own.db, own.tenant, newId));
      const { openJobs: mostOpen } = await quotas.of(own.tenant);
      const retry = () =>
        asSeen(request, (check) => retryJob(own.db, own.tenant, id, { id: newId, mostOpen, check })).catch(
          (error: unknown) => {
            throw error instanceof DatasetNotFoundError ? refuseGone(error.datasetId) : error;
          },
        );
      const row = made ?? (await retry());
      return sendNew(reply, orNotFound(row, id));
    },
  );

  app.post(
    '/v1/jobs/:id/clone',
    {
      config: { access: 'jobs:write' },
      schema: {
        tags: ['jobs'],
        summary: 'Post a job like another one',
        description:
          'A new job of the same spec, from the beginning; of a cross-validation’s fold it is no part. A body changes the spec first: what it names is replaced, objects are merged, null removes, so that the default holds.',
        params: IdParams,
        body: { content: { 'application/json': { schema: PATCH } } },
        response: { 201: Job },
      },
    },
    async (request, reply) => {
      const own = ofTenant(deps, request);
      const id = idFor(request, 'job');
      const made = await findMade(request, reply, () => getJob(own.db, own.tenant, id));
      if (made !== null) return sendNew(reply, made);
      const job = await findJob(deps, request);
      const patch = request.body ?? {};
      if (!isObject(patch)) {
        const detail = 'The body must be an object: a merge patch of the spec.';
        throw new ApiError('invalid_field', detail, {
          errors: [{ pointer: '', code: 'invalid_field', detail, expected: 'an object' }],
        });
      }
      // it may become another spec than those of the other folds, so it is none of them
      const { [FOLD_OF]: _, ...metadata } = job.spec.metadata;
      const read = await readSpec(own, mergePatch({ ...job.spec, start_at: null, metadata }, patch));
      return sendNew(reply, await postJob(own, quotas, { id, ...read, origin: { job_id: job.id, by: 'clone' } }));
    },
  );

  app.delete(
    '/v1/jobs/:id',
    {
      config: { access: 'jobs:write' },
      schema: {
        tags: ['jobs'],
        summary: 'Delete a job that has ended',
        description:
          'With its metrics, events and checkpoints. Refused (409) while it has not ended, or while another job that has not ended begins from one of its checkpoints.' +
          IF_MATCH,
        params: IdParams,
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      const id = idOf(request);
      const own = ofTenant(deps, request);
      const files = orNotFound(await asSeen(request, (check) => deleteJob(own.db, own.tenant, id, check)), id);
      await removeFiles(storage, files, request.log);
      return reply.code(204).send();
    },
  );
}

/** RFC 7396. */
function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const merged: Record<string, unknown> = isObject(target) ? { ...target } : {};
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete merged[name];
    else merged[name] = mergePatch(merged[name], value);
  }
  return merged;
}
