import { type MessagePort, workerData } from 'node:worker_threads';
import type { TrainerMessage } from './messages.ts';
import { RECORD_SECONDS } from './record-seconds.ts';

/**
 * Entry of a thread that is as busy beside an estimate's updates as a worker's main thread and PostgreSQL are beside a job's, while they record
 * what it reports. Where cores are few, or share their units, that slows training down.
 */
const port = workerData as MessagePort;
port.on('message', (message: TrainerMessage) => {
  if (message.type !== 'report') return;
  const { points, events } = message.report;
  const owedMicros = (points.length + events.length) * RECORD_SECONDS * 1e6;
  const spentMicros = () => {
    const { user, system } = process.threadCpuUsage();
    return user + system;
  };
  const begun = spentMicros();
  while (spentMicros() - begun < owedMicros);
});
