import { parentPort, workerData } from 'node:worker_threads';
import type { TrainerData, TrainerMessage } from '../../../src/worker/messages.ts';

/** The thread that trains, which dies in its first life as soon as it has said that it evaluates. */
const port = parentPort!;
const post = port.postMessage.bind(port);
if ((workerData as TrainerData).resume.length === 0) {
  port.postMessage = (message: TrainerMessage) => {
    post(message);
    if (message.type === 'report' && message.report.phase === 'evaluating') throw new Error('died while it evaluated');
  };
}
await import('../../../src/worker/trainer-thread.ts');
