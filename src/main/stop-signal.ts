import type { Logger } from '../observability/logger.ts';

/** Requests may go on for 22 s, workers for 19; the rest is soon closed. */
export const MAX_STOP_MS = 28_000;

/** Within it a signal is the first one over again: npm hands on a Ctrl-C that the process has had itself. */
const SAME_SIGNAL_MS = 1000;

/**
 * Ends the process cleanly on SIGINT, SIGTERM, or when the parent that started it is gone. A second signal, or a stop that takes too long, ends it at
 * once.
 */
export function onStopSignal(logger: Logger, stop: () => Promise<void>, maxStopMs = MAX_STOP_MS): void {
  let beganMs: number | null = null;
  const begin = (reason: string) => {
    if (beganMs !== null) {
      if (reason !== 'parent gone' && performance.now() - beganMs > SAME_SIGNAL_MS) process.exit(1);
      return;
    }
    beganMs = performance.now();
    logger.info({ reason }, 'stopping');
    setTimeout(() => {
      logger.error('stopping took too long');
      process.exit(1);
    }, maxStopMs).unref();
    stop().then(
      () => process.exit(0),
      (err) => {
        logger.error({ err }, 'stopping failed');
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', () => begin('SIGTERM'));
  process.on('SIGINT', () => begin('SIGINT'));
  process.on('disconnect', () => begin('parent gone'));
}
