import { Type } from 'typebox';
import { listEvents } from '../../db/job-events.ts';
import { getJob } from '../../db/jobs.ts';
import { ApiError } from '../../spec/errors.ts';
import { FINAL_STATUSES } from '../../spec/job.ts';
import { JobEvent } from '../../spec/job-event.ts';

import { type Api, type ApiDeps, CLIENT_PATIENCE, ofTenant } from '../deps.ts';
import { Doorbell } from '../doorbell.ts';
import { type EventSource, type News, streamEvents, WAIT_MS } from '../event-stream.ts';
import { addLookout } from '../lookout.ts';
import { presentEvent } from '../present.ts';
import { IdParams } from '../request-parts.ts';
import { SharedReads } from '../shared-reads.ts';
import { findJob } from './jobs.ts';

const Query = Type.Object({
  after: Type.Integer({
    minimum: 0,
    maximum: Number.MAX_SAFE_INTEGER,
    default: 0,
    description: 'events with a larger id',
  }),
  limit: Type.Integer({ minimum: 1, maximum: 500, default: 100 }),
  wait_s: Type.Number({
    minimum: 0,
    maximum: 60,
    default: 0,
    description: 'wait this long for an event if there is none yet',
  }),
});
interface EventQuery {
  after: number;
  limit: number;
  wait_s: number;
}

export function addEventRoutes(app: Api, deps: ApiDeps): void {
  const closing = new AbortController();
  app.addHook('preClose', async () => closing.abort());
  const watcher = addLookout(deps.db, deps.watcher);
  app.addHook('onClose', () => watcher.close());
  const reads = new SharedReads<News>();
  const { slowReaderMs } = { ...CLIENT_PATIENCE, ...deps.patience };

  app.get(
    '/v1/jobs/:id/events',
    {
      config: { access: 'jobs:read' },
      sse: 'dual',
      // a stream has no length that could be told
      exposeHeadRoute: false,
      schema: {
        tags: ['jobs'],
        summary: 'The event log of a job',
        description:
          'As a JSON page, as a long poll (`wait_s`), or with `Accept: text/event-stream` as server-sent events: numbered without a gap, taken up again after `Last-Event-ID`; unnumbered `job.progress` messages in between; the stream ends after the last event, and then there is no more (204). `next_cursor` is the `after` of the next page.',
        params: IdParams,
        querystring: Query,
        response: {
          200: {
            description: 'A page, or a stream',
            content: {
              'application/json': {
                schema: Type.Object({
                  data: Type.Array(JobEvent),
                  has_more: Type.Boolean(),
                  next_cursor: Type.Union([Type.String(), Type.Null()]),
                }),
              },
              'text/event-stream': { schema: Type.String() },
            },
          },
          204: { description: 'To a stream taken up again: the job has ended, and all was heard', type: 'null' },
        },
      },
    },
    async (request, reply) => {
      const { tenant, db } = ofTenant(deps, request);
      const job = await findJob(deps, request);
      const source = { tenant, db, watcher, reads, jobId: job.id };
      const query = request.query as EventQuery;
      const gone = new AbortController();
      reply.raw.once('close', () => gone.abort());
      const over = AbortSignal.any([gone.signal, closing.signal]);
      if (reply.sse === undefined) return await readPage(source, query, over);

      const given = request.headers['last-event-id'];
      const last = given === undefined ? query.after : readEventId(given);
      // EventSource comes again whenever a stream ends, until it hears 204
      if (FINAL_STATUSES.includes(job.status) && (await listEvents(db, job.id, last, 1)).length === 0)
        return reply.code(204).send();
      reply.hijack();
      deps.metrics.openStreams.inc();
      await streamEvents(source, last, reply, over, slowReaderMs).finally(() => deps.metrics.openStreams.dec());
    },
  );
}

/** Empty stands for nothing heard yet. */
function readEventId(given: string | string[]): number {
  const id = Number(given);
  if (typeof given === 'string' && /^\d*$/.test(given) && Number.isSafeInteger(id)) return id;
  throw new ApiError('invalid_event_id', 'Last-Event-ID is the id of an event of this job: a whole number.');
}

/** Events after `after`; where there is none yet, the first that comes within `wait_s`. A job that has ended has none to wait for. */
async function readPage(
  { db, tenant, watcher, jobId }: EventSource,
  { after, limit, wait_s: waitSeconds }: EventQuery,
  over: AbortSignal,
) {
  const deadline = performance.now() + waitSeconds * 1000;
  const bell = new Doorbell(watcher, jobId);
  try {
    for (;;) {
      const row = await getJob(db, tenant, jobId);
      const events = await listEvents(db, jobId, after, limit + 1);
      const leftMs = deadline - performance.now();
      const isLast = row === null || FINAL_STATUSES.includes(row.status);
      if (events.length > 0 || leftMs <= 0 || isLast || over.aborted) {
        const shown = events.slice(0, limit);
        const more = events.length > limit;
        return {
          data: shown.map(presentEvent),
          has_more: more,
          next_cursor: more ? String(shown.at(-1)!.sequence) : null,
        };
      }
      await bell.wait(Math.min(leftMs, WAIT_MS), over);
    }
  } finally {
    bell.close();
  }
}
