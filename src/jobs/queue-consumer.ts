import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { BullWorker, QueueBackend } from './queue-backend.ts';

export interface Consumer {
  /** Takes no more messages, and resolves when the handler has done with those in work. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Like `pause`, for good. Tell what is in work to stop first. */
  close(): Promise<void>;
}

/** With a server that refuses (out of memory, starting up), BullMQ's fetch loop fails thousands of times a second. */
const MAX_ERRORS_PER_SECOND = 10;
const REST_MS = 2_000;
const START_AGAIN_MS = 1_000;
/** Once nothing is in work, BullMQ needs this much at most to leave its server; without one it might wait for ever. */
const LEAVE_MS = 2_000;

/** Takes messages one after the other, and comes back by itself from whatever the server does. */
export function startConsumer(
  backend: QueueBackend,
  handler: (jobId: string) => Promise<void>,
  concurrency: number,
  logger: Logger,
  warn: (err: unknown) => void,
): Consumer {
  const inWork = new Set<Promise<void>>();
  const closed = new AbortController();
  let paused = false;
  let worker: BullWorker | undefined;

  const start = async () => {
    while (!closed.signal.aborted) {
      const started = backend.startWorker(handle, concurrency);
      worker = started;
      started.on('error', createBreaker(started));
      started.on('failed', (job, err) =>
        logger.error({ err, job_id: job?.data.jobId }, 'a message could not be dealt with'),
      );
      if (paused) await started.pause(true);
      try {
        await started.waitUntilReady();
        return;
      } catch (error) {
        // BullMQ remembers a first connection that failed, and would go on failing
        warn(error);
        await started.close(true).catch(warn);
        await sleep(START_AGAIN_MS, undefined, { signal: closed.signal }).catch(() => {});
      }
    }
  };
  const handle = ({ data }: { data: { jobId: string } }) => {
    const work: Promise<void> = handler(data.jobId).finally(() => inWork.delete(work));
    inWork.add(work);
    return work;
  };
  /** Lets the worker rest when errors come too fast. */
  const createBreaker = (of: BullWorker) => {
    let sinceMs = 0;
    let errors = 0;
    let resting = false;
    return (err: Error) => {
      warn(err);
      if (performance.now() - sinceMs > 1_000) {
        sinceMs = performance.now();
        errors = 0;
      }
      errors += 1;
      if (errors < MAX_ERRORS_PER_SECOND || resting || paused || closed.signal.aborted) return;
      resting = true;
      void of.pause(true).catch(warn);
      sleep(REST_MS, undefined, { signal: closed.signal }).then(
        () => {
          resting = false;
          if (!paused) of.resume().catch(warn);
        },
        () => {},
      );
    };
  };
  /** Waits for what is in work, however long, and then a moment for BullMQ; whether that sufficed. */
  const isDoneSoon = async (leaving: Promise<unknown> | undefined): Promise<boolean> => {
    leaving?.catch(warn);
    const late = Symbol();
    let first: unknown;
    do {
      await Promise.allSettled(inWork);
      first = await Promise.race([leaving, sleep(LEAVE_MS, late, { ref: false })]);
      // a message that was on its way here may have come meanwhile
    } while (inWork.size > 0);
    return first !== late;
  };
  void start();
  let closing: Promise<void> | undefined;

  return {
    async pause() {
      paused = true;
      // BullMQ's pause that does not wait for what is in work would still take one message more
      await isDoneSoon(worker?.pause(false));
    },
    async resume() {
      paused = false;
      await worker?.resume();
    },
    close() {
      closing ??= (async () => {
        closed.abort();
        if (!(await isDoneSoon(worker?.close()))) await isDoneSoon(worker?.close(true));
      })();
      return closing;
    },
  };
}
