import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Logger } from 'pino';

const RESOLUTION_MS = 10;
/** A worker that is held up for longer is near to losing its lease, or the machine is too small. */
const ALARM_S = 1;

/** How this process is; each reading of the delay begins anew, and warns of a long one. */
export function watchProcess(logger: Logger) {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  return {
    read() {
      const { user, system } = process.cpuUsage();
      // the histogram counts nanoseconds, and its own sampling interval with them
      const delaySeconds = Math.max(0, delay.max / 1e9 - RESOLUTION_MS / 1000);
      delay.reset();
      if (delaySeconds > ALARM_S)
        logger.warn({ delay_s: Number(delaySeconds.toFixed(2)) }, 'the event loop of this process was held up');
      return {
        memory_bytes: process.memoryUsage.rss(),
        cpu_s: (user + system) / 1e6,
        event_loop_delay_max_s: Number.isFinite(delaySeconds) ? delaySeconds : 0,
      };
    },
  };
}
