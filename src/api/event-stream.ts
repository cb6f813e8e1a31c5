import { once } from 'node:events';
import type { FastifyReply } from 'fastify';
import type { Database } from '../db/client.ts';
import { isUnavailable } from '../db/is-unavailable.ts';
import { type JobEventRow, listEvents } from '../db/job-events.ts';
import { getJob, type JobRow } from '../db/jobs.ts';
import { FINAL_STATUSES } from '../spec/job.ts';
import type { ApiDeps } from './deps.ts';
import { Doorbell } from './doorbell.ts';
import { presentEvent, presentProgress } from './present.ts';
import type { SharedReads } from './shared-reads.ts';

/** A database that is away is tried again this often. */
const TRY_EVERY_MS = 1000;
/** The watcher rings whenever something has happened, and no ring is lost for longer than a second. */
export const WAIT_MS = 30_000;
const PAGE = 500;
const RETRY_MS = 1000;

/** What streams are told: the job (null: it is gone), and the events behind those that were heard. */
export interface News {
  row: JobRow | null;
  events: JobEventRow[];
}

/** The job of a tenant whose events are read. */
export interface EventSource {
  tenant: string;
  /** as the tenant sees it */
  db: Database;
  watcher: ApiDeps['watcher'];
  /** of all streams of the process */
  reads: SharedReads<News>;
  jobId: string;
}

/**
 * Sends the events after `last` as server-sent events, each once and in order, and the progress in between, until the job has ended or `over`.
 * A database that is away meanwhile is waited for: a client that is answered 503 would not come again by itself.
 */
export async function streamEvents(
  source: EventSource,
  last: number,
  reply: FastifyReply,
  over: AbortSignal,
  slowReaderMs: number,
): Promise<void> {
  const stream = reply.sse;
  const bell = new Doorbell(source.watcher, source.jobId);
  let sent = last;
  let shown: string | undefined;
  const send = async (message: { id?: string; event: string; data: unknown; retry?: number }) => {
    if (reply.raw.destroyed) return;
    // written at once; that it has been taken is waited for here, since the library waits for ever on a connection that is closed meanwhile
    stream.send(message).catch(() => {});
    if (reply.raw.writableNeedDrain) await untilDrained(reply, over, slowReaderMs);
  };
  // at once, not with the first event: whoever has heard everything waits for the next, not for the connection
  stream.sendHeaders();
  reply.raw.write(`retry: ${RETRY_MS}\n\n`);
  try {
    while (!over.aborted) {
      // the row is read before the events: once it is final, no event can come behind those that are read next
      const read = await readNews(source, sent);
      if (read !== null) {
        // progress first: the last thing a client hears is the last event
        const progress = read.row && presentProgress(read.row);
        if (progress !== null && progress.updated_at !== shown && !over.aborted) {
          shown = progress.updated_at;
          await send({ event: 'job.progress', data: progress });
        }
        for (const event of read.events) {
          if (over.aborted) break;
          await send({ id: String(event.sequence), event: event.type, data: presentEvent(event) });
          sent = event.sequence;
        }
        if (read.events.length === PAGE) continue;
        if (read.row === null || FINAL_STATUSES.includes(read.row.status)) break;
      }
      await bell.wait(read === null ? TRY_EVERY_MS : WAIT_MS, over);
    }
  } finally {
    bell.close();
    stream.close();
  }
}

/** null while the database is away. */
async function readNews({ db, tenant, jobId, reads }: EventSource, after: number): Promise<News | null> {
  try {
    // streams of one job have mostly heard the same
    return await reads.read(`${tenant} ${jobId} ${after}`, async () => {
      const row = await getJob(db, tenant, jobId);
      return { row, events: await listEvents(db, jobId, after, PAGE) };
    });
  } catch (error) {
    if (isUnavailable(error)) return null;
    throw error;
  }
}

/** A client that takes nothing for so long is cut off. */
async function untilDrained({ raw }: FastifyReply, over: AbortSignal, slowReaderMs: number): Promise<void> {
  const limit = AbortSignal.any([over, AbortSignal.timeout(slowReaderMs)]);
  await once(raw, 'drain', { signal: limit }).catch(() => raw.destroy());
}
