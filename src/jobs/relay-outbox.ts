import { asc, eq, inArray, isNull, sql } from 'drizzle-orm';
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
  let closed = false;
  let rung = false;
  let wake = () => {};
  const ring = () => {
    rung = true;
    wake();
  };
  const bell = listen(db.url, OUTBOX_CHANNEL, { onNotification: ring, onReturn: ring, logger });

  const relay = async () => {
    while (!closed) {
      rung = false;
      const { sent, error } = await relayBatch(db, queue).catch((error: unknown) => ({ sent: 0, error }));
      if (error !== undefined && !closed) warn(error);
      // a ring is no reason to hurry while the queue is down
      const isMore = error === undefined && (sent === BATCH || rung);
      if (!isMore && !closed) await pause();
    }
  };
  const pause = () =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, LOOK_EVERY_MS);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  const running = relay();

  return {
    async close() {
      closed = true;
      wake();
      await running;
      await bell.close();
    },
  };
}

/**
 * Sends the oldest rows that nobody else is sending, and notes that they were sent. A crash in between sends them twice, under one id: the queue, or
 * the claim, makes that harmless.
 */
async function relayBatch(db: Database, queue: JobQueue): Promise<{ sent: number; error: unknown }> {
  return db.orm.transaction(async (tx) => {
    const rows = await tx
      .select()
      .from(outbox)
      .where(isNull(outbox.sentAt))
      .orderBy(asc(outbox.id))
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
    const results = await Promise.allSettled(others.map((row) => queue.add(row)));
    const sent = [first, ...others.filter((_, i) => results[i]!.status === 'fulfilled')];
    const rejected = results.find((result) => result.status === 'rejected');
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
