import type { Logger } from 'pino';

const EVERY_MS = 10_000;

/** Warns of the first error at once, and then at most every ten seconds, with how many there were in between: a queue that is down can give thousands a second. */
export function throttleWarnings(logger: Logger, message: string, everyMs = EVERY_MS): (err: unknown) => void {
  let lastMs = Number.NEGATIVE_INFINITY;
  let withheld = 0;
  return (err) => {
    const nowMs = performance.now();
    if (nowMs - lastMs < everyMs) {
      withheld += 1;
      return;
    }
    logger.warn({ err, withheld }, message);
    lastMs = nowMs;
    withheld = 0;
  };
}
