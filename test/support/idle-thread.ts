import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

/**
 * A thread that does nothing, and notes how late the machine lets it do so: what another thread is late beyond that, it has done itself.
 */
export interface IdleThread {
  /** the most that it was late in a stretch of time, ms */
  latestMs(from: Date, until: Date): number;
  close(): Promise<void>;
}

const TICK_MS = 5;
const SCRIPT = `
  const { parentPort } = require('node:worker_threads');
  let last = performance.now();
  setInterval(() => {
    const now = performance.now();
    const lateMs = now - last - ${TICK_MS};
    last = now;
    if (lateMs > ${TICK_MS}) parentPort.postMessage({ at: Date.now(), lateMs });
  }, ${TICK_MS});`;

export async function startIdleThread(): Promise<IdleThread> {
  const thread = new Worker(SCRIPT, { eval: true });
  const late: { at: number; lateMs: number }[] = [];
  thread.on('message', (one) => late.push(one));
  await once(thread, 'online');
  return {
    latestMs: (from, until) =>
      Math.max(
        0,
        ...late.flatMap(({ at, lateMs }) => (at >= from.getTime() && at - lateMs <= until.getTime() ? lateMs : [])),
      ),
    close: async () => void (await thread.terminate()),
  };
}
