import { setTimeout as sleep } from 'node:timers/promises';
import { and, asc, eq, inArray, isNull, sql } from 'drizzle-orm';
import type { Logger } from 'pino';
import type { Database } from '../db/client.ts';
import { listen } from '../db/listen.ts';
import { outbox } from '../db/schema.ts';
import type { JobQueue } from './queue.ts';
import { throttleWarnings } from './throttled-log.ts';
import { OUTBOX_CHANNEL } from './transitions.ts';

const LOOK_EVERY_MS = 1_000;
const BATCH = 100;

export interface Relay {
  /** Waits for the batch that is being sent. */
  close(): Promise<void>;
}

/**
 * Carries the outbox to the queue, after the commit: woken by a notification, and looking every second besides. Any number of relays may run. While
 * the queue is down the rows stay, and so does everything else: jobs are still taken in. Throws nothing.
 */
export function startRelay({ db, queue, logger }: { db: Database; queue: JobQueue; logger: Logger }): Relay {
  const warn = throttleWarnings(logger, 'messages could not be put on the queue; it is tried again');
  const closed = new AbortController();
  let bellRang = false;
  let hear = () => {};
  const ring = () => {
    bellRang = true;
    hear();
  };
  const bell = listen(db.url, OUTBOX_CHANNEL, { onNotification: ring, onReturn: ring, logger });

  const relay = async () => {
    while (!closed.signal.aborted) {
      bellRang = false;
      const { sent, error } = await relayBatch(db, queue).catch((error: unknown) => ({ sent: 0, error }));
      if (error !== undefined) {
        if (!closed.signal.aborted) warn(error);
        // a ring is no reason to hurry while the queue is down
        await pause(closed.signal);
      } else if (sent < BATCH && !bellRang) {
        const heard = new AbortController();
        hear = () => heard.abort();
        await pause(AbortSignal.any([closed.signal, heard.signal]));
      }
    }
  };
  const running = relay();

  return {
    async close() {
      closed.abort();
      await running;
      await bell.close();
    },
  };
}

/** Until it is time to look again, or there is a reason to do so now. */
async function pause(reason: AbortSignal): Promise<void> {
  await sleep(LOOK_EVERY_MS, undefined, { signal: reason }).catch(() => {});
}

/**
 * Sends the oldest rows whose time has come and that nobody else is sending, and notes that they were sent. A crash in between sends them twice, under one id: the queue, or
 * the claim, makes that harmless.
 */
async function relayBatch(db: Database, queue: JobQueue): Promise<{ sent: number; error: unknown }> {
  return db.orm.transaction(async (tx) => {
    const rows = await tx
      .select()
      .from(outbox)
      .where(and(isNull(outbox.sentAt), sql`${outbox.notBefore} <= clock_timestamp()`))
      .orderBy(asc(outbox.notBefore), asc(outbox.id))
      .limit(BATCH)
      .for('update', { skipLocked: true });
    const [first, ...others] = rows;
    if (first === undefined) return { sent: 0, error: undefined };
    // the first one alone: a queue that is down then costs one time-out, not a hundred calls
    const failure = await queue.add(first).then(
      () => undefined,
      (error: unknown) => ({ error }),
    );
    if (failure !== undefined) {
      await tx
        .update(outbox)
        .set({ attempts: first.attempts + 1 })
        .where(eq(outbox.id, first.id));
      return { sent: 0, error: failure.error };
    }
    // all at once; where one of them is refused, each by itself, so that it keeps no other back
    const results = await queue.addAll(others).then(
      () => others.map(() => ({ status: 'fulfilled' as const })),
      () => Promise.allSettled(others.map((row) => queue.add(row))),
    );
    const sent = [first, ...others.filter((_, i) => results[i]!.status === 'fulfilled')];
    const rejected = results.find((result): result is PromiseRejectedResult => result.status === 'rejected');
    await tx
      .update(outbox)
      .set({ sentAt: sql`clock_timestamp()`, attempts: sql`${outbox.attempts} + 1` })
      .where(
        inArray(
          outbox.id,
          sent.map((row) => row.id),
        ),
      );
    return { sent: sent.length, error: rejected?.reason };
  });
}
