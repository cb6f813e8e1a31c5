import { workerData } from 'node:worker_threads';
import { ControlWord, type TrainerData } from '../../../src/worker/messages.ts';

/** The thread that trains, which dies while it writes a checkpoint of its first life, when there are two. Its events turn only while files are written. */
const data = workerData as TrainerData;
const control = new Int32Array(data.control);
if (data.resume.length < 2) {
  setInterval(() => {
    if (Atomics.load(control, ControlWord.beat) > 700) throw new Error('a thread of the team died');
  }, 1);
}
await import('../../../src/worker/trainer-thread.ts');
