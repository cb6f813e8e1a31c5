import { Type } from 'typebox';
import { listEvents } from '../../db/job-events.ts';
import { getJob } from '../../db/jobs.ts';
import { ApiError } from '../../spec/errors.ts';
import { FINAL_STATUSES, JobEvent, type Progress } from '../../spec/job.ts';

import { type Api, type ApiDeps, TENANT } from '../deps.ts';
import { presentEvent } from '../present.ts';
import { IdParams } from '../request-parts.ts';
import { findJob } from './jobs.ts';

/** The watcher rings when something happens; in case a ring is lost, the database is looked at this often. */
const LOOK_EVERY_MS = 1000;
const PAGE = 500;
const RETRY_MS = 1000;

const Query = Type.Object({
  after: Type.Integer({
    minimum: 0,
    maximum: Number.MAX_SAFE_INTEGER,
    default: 0,
    description: 'events with a larger id',
  }),
  limit: Type.Integer({ minimum: 1, maximum: PAGE, default: 100 }),
  wait_s: Type.Number({
    minimum: 0,
    maximum: 60,
    default: 0,
    description: 'wait this long for an event if there is none yet',
  }),
});

export function addEventRoutes(app: Api, deps: ApiDeps): void {
  const { db, watcher } = deps;
  const closing = new AbortController();
  app.addHook('preClose', async () => closing.abort());

  app.get(
    '/v1/jobs/:id/events',
    {
      sse: 'dual',
      schema: {
        tags: ['jobs'],
        summary: 'The event log of a job',
        description:
          'As a JSON page, as a long poll (`wait_s`), or with `Accept: text/event-stream` as server-sent events: numbered without a gap, taken up again after `Last-Event-ID`; unnumbered `job.progress` messages in between; the stream ends after the last event.',
        params: IdParams,
        querystring: Query,
        response: {
          200: Type.Object({
            data: Type.Array(JobEvent),
            has_more: Type.Boolean(),
            next_cursor: Type.Union([Type.String(), Type.Null()]),
          }),
        },
      },
    },
    async (request, reply) => {
      const job = await findJob(deps, request);
      const { after, limit, wait_s: waitSeconds } = request.query as { after: number; limit: number; wait_s: number };
      const gone = new AbortController();
      const over = AbortSignal.any([gone.signal, closing.signal]);
      request.raw.on('close', () => gone.abort());

      if (reply.sse === undefined) {
        const deadline = performance.now() + waitSeconds * 1000;
        for (;;) {
          const events = await listEvents(db, job.id, after, limit + 1);
          const leftMs = deadline - performance.now();
          if (events.length > 0 || leftMs <= 0 || over.aborted) {
            const shown = events.slice(0, limit);
            const more = events.length > limit;
            return {
              data: shown.map(presentEvent),
              has_more: more,
              next_cursor: more ? String(shown.at(-1)!.sequence) : null,
            };
          }
          await untilRing(job.id, Math.min(leftMs, LOOK_EVERY_MS), over);
        }
      }

      const given = request.headers['last-event-id'];
      let last = given === undefined ? after : Number(given);
      if (!Number.isSafeInteger(last) || last < 0)
        throw new ApiError('invalid_event_id', 'Last-Event-ID is the id of an event of this job: a whole number.');
      reply.sse.keepAlive();
      let shown: string | undefined;
      let isFirst = true;
      while (!over.aborted && reply.sse.isConnected) {
        // the row is read before the events: once it is final, no event can come behind those that are read next
        const row = await getJob(db, TENANT, job.id);
        const events = await listEvents(db, job.id, last, PAGE);
        // progress first: the last thing a client hears is the last event
        const progress: Progress | null = row?.progress ?? null;
        if (progress !== null && progress.updated_at !== shown) {
          shown = progress.updated_at;
          await reply.sse.send({ event: 'job.progress', data: progress });
        }
        for (const event of events) {
          const { id, ...rest } = presentEvent(event);
          await reply.sse.send({
            id: String(id),
            event: event.type,
            data: { id, ...rest },
            ...(isFirst && { retry: RETRY_MS }),
          });
          isFirst = false;
          last = id;
        }
        if (events.length === PAGE) continue;
        if (row === null || FINAL_STATUSES.includes(row.status)) break;
        await untilRing(job.id, LOOK_EVERY_MS, over);
      }
      reply.sse.close();
    },
  );

  function untilRing(jobId: string, timeoutMs: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        unsubscribe();
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, timeoutMs);
      const unsubscribe = watcher.subscribe(jobId, done);
      signal.addEventListener('abort', done);
    });
  }
}
