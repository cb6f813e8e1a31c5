import { workerData } from 'node:worker_threads';
import type { TrainerData } from '../../../src/worker/messages.ts';

/** The thread that trains, which dies while it writes a checkpoint of its first life. */
if ((workerData as TrainerData).resume.length < 2) {
  setInterval(() => {
    throw new Error('a thread of the team died');
  }, 300);
}
await import('../../../src/worker/trainer-thread.ts');
