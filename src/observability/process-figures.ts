import { monitorEventLoopDelay } from 'node:perf_hooks';

const RESOLUTION_MS = 10;

/** How this process is; each reading of the delay begins anew. */
export function watchProcess() {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  return {
    read() {
      const { user, system } = process.cpuUsage();
      // the histogram counts nanoseconds, and its own sampling interval with them
      const delaySeconds = Math.max(0, delay.max / 1e9 - RESOLUTION_MS / 1000);
      delay.reset();
      return {
        memory_bytes: process.memoryUsage.rss(),
        cpu_s: (user + system) / 1e6,
        event_loop_delay_max_s: Number.isFinite(delaySeconds) ? delaySeconds : 0,
      };
    },
  };
}
