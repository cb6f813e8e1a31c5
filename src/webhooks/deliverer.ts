import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Database } from '../db/client.ts';
import { listen } from '../db/listen.ts';
import { type DueDelivery, recordTry, takeDueDeliveries, WEBHOOKS_CHANNEL } from '../db/webhook-deliveries.ts';
import type { Outbound } from '../outbound/request.ts';
import { deliver, type Tried } from './deliver.ts';
import { chooseDelay, RETRY_DELAYS_S } from './retry-schedule.ts';

export interface DelivererOptions {
  db: Database;
  outbound: Outbound;
  logger: Logger;
  userAgent: string;
  /** seconds before each retry */
  delaysS?: readonly number[];
  timeoutMs?: number;
  /** a webhook that has taken nothing for so long is disabled */
  failingSeconds?: number;
  /** told of every try */
  onTry?: (tried: Tried) => void;
}

export interface Deliverer {
  /** Takes nothing new; what is under way is waited for a moment, and then left to the next process. */
  close(): Promise<void>;
}

/** Tries at once of one process, and of one webhook: a target that takes its time holds up only what goes to itself. */
const MOST_AT_ONCE = 128;
const MOST_PER_WEBHOOK = 4;
const LOOK_EVERY_MS = 1_000;
/** Longer than a try can take. */
const HOLD_S = 60;
const FAILING_S = 5 * 86_400;
const CLOSE_WITHIN_MS = 3_000;

/**
 * Makes deliveries that are due: woken by a notification, and looking every second besides. Any number may run, in any processes; each takes what
 * the others leave. A process that dies in the middle leaves its tries to the others, under the same ids. Throws nothing.
 */
export function startDeliverer(options: DelivererOptions): Deliverer {
  const { db, logger } = options;
  const underWay = new Map<Promise<void>, string>();
  const closed = new AbortController();
  const cutOff = new AbortController();
  let bellRang = false;
  let hear = () => {};
  const ring = () => {
    bellRang = true;
    hear();
  };
  const bell = listen(db.url, WEBHOOKS_CHANNEL, { onNotification: ring, onReturn: ring, logger });

  const run = async () => {
    while (!closed.signal.aborted) {
      bellRang = false;
      const room = MOST_AT_ONCE - underWay.size;
      try {
        const due =
          room === 0
            ? []
            : await takeDueDeliveries(db, {
                limit: room,
                perWebhook: MOST_PER_WEBHOOK,
                busy: [...underWay.values()],
                holdSeconds: HOLD_S,
              });
        for (const delivery of due) {
          const work: Promise<void> = attempt(options, delivery, cutOff.signal).finally(() => {
            underWay.delete(work);
            ring();
          });
          underWay.set(work, delivery.webhookId);
        }
        if (bellRang) continue;
      } catch (err) {
        if (!closed.signal.aborted) logger.warn({ err }, 'webhooks could not be looked for; it is tried again');
      }
      const heard = new AbortController();
      hear = () => heard.abort();
      await sleep(LOOK_EVERY_MS, undefined, { signal: AbortSignal.any([closed.signal, heard.signal]) }).catch(() => {});
    }
  };
  const running = run();

  return {
    async close() {
      closed.abort();
      await running;
      const timer = setTimeout(() => cutOff.abort(new Error('the service was stopped')), CLOSE_WITHIN_MS);
      await Promise.all(underWay.keys());
      clearTimeout(timer);
      await bell.close();
    },
  };
}

/** One try, and what follows from it. */
async function attempt(options: DelivererOptions, delivery: DueDelivery, signal: AbortSignal): Promise<void> {
  const { db, outbound, logger, userAgent, timeoutMs, delaysS = RETRY_DELAYS_S, failingSeconds = FAILING_S } = options;
  const at = new Date().toISOString();
  const tried = await deliver(outbound, delivery, {
    userAgent,
    signal,
    ...(timeoutMs !== undefined && { timeoutMs }),
  });
  options.onTry?.(tried);
  const { status, error, durationMs } = tried;
  const isGone = status === 410;
  // cut off here, not by the target: the next process tries at once
  const delay =
    error === null || isGone ? null : signal.aborted ? 0 : chooseDelay(delaysS, delivery.retries, tried.retryAfterS);
  try {
    await recordTry(
      db,
      delivery,
      {
        status: error === null ? 'succeeded' : delay === null ? 'failed' : 'pending',
        ...(delay !== null && { nextAttemptSeconds: delay }),
        tried: { at, duration_ms: durationMs, response_status: status, error },
        responseBody: tried.body,
        ...(isGone && { disable: 'gone' as const }),
      },
      failingSeconds,
    );
  } catch (err) {
    // it comes back when its hold is over, under the same id
    logger.warn({ err, delivery_id: delivery.id }, 'a try of a webhook could not be recorded');
  }
  if (error !== null) {
    logger.info({ webhook_id: delivery.webhookId, delivery_id: delivery.id, status, error }, 'a webhook was not taken');
  }
}
