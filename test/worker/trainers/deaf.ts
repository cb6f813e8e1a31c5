import { parentPort, workerData } from 'node:worker_threads';
import { ControlWord, type TrainerData } from '../../../src/worker/messages.ts';

/** A training thread that goes on and on, and does not hear that it is to stop. */
const control = new Int32Array((workerData as TrainerData).control);
const progress = {
  percentage: 0,
  step: 0,
  total_steps: 9,
  epoch: 0,
  epochs: 9,
  eta_s: null,
  samples_per_s: null,
  metrics: {},
};
const report = { phase: 'training', progress, points: [], events: [], checkpoints: [], trainedSeconds: 0 };
setInterval(() => {
  Atomics.add(control, ControlWord.beat, 1);
  parentPort!.postMessage({ type: 'report', report });
}, 20);
