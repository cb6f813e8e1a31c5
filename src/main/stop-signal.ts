import type { Logger } from '../observability/logger.ts';

/** Requests may go on for 22 s, workers for 19; the rest is soon closed. */
export const MAX_STOP_MS = 28_000;

/**
 * Ends the process cleanly on SIGINT, SIGTERM, or when the parent that started it is gone. A second signal, or a stop that takes too long, ends it at
 * once.
 */
export function onStopSignal(logger: Logger, stop: () => Promise<void>, maxStopMs = MAX_STOP_MS): void {
  let stopping = false;
  const begin = (reason: string) => {
    if (stopping) {
      if (reason !== 'parent gone') process.exit(1);
      return;
    }
    stopping = true;
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
