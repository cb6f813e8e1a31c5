import { getEnvironmentData, parentPort, workerData } from 'node:worker_threads';
import { ControlWord, StopRequest, type TrainerData, type TrainerMessage } from '../../../src/worker/messages.ts';

/** Where and how the thread that trains is broken off, under the key `interruption` of the environment data. */
export interface Interruption {
  at: 'evaluation' | 'rate test' | 'rate found';
  /** it waits there until it is told to stop, or until `times` is 2; or dies there in its first life */
  how: 'waits' | 'is held' | 'dies';
  /** how often it came there (Int32) */
  times: SharedArrayBuffer;
}

/** Signs of life in an evaluation or a range test before it is broken off. */
const BEATS = 20;
const { at, how, times } = getEnvironmentData('interruption') as unknown as Interruption;
const control = new Int32Array((workerData as TrainerData).control);
const { add } = Atomics;
let isThere = at === 'rate test';
let beats = 0;

function interrupt(): void {
  const before = add(new Int32Array(times), 0, 1);
  if (how === 'dies' && before === 0) throw new Error('the thread was broken off');
  while (how === 'waits' && Atomics.load(control, ControlWord.stop) === StopRequest.none)
    Atomics.wait(control, ControlWord.stop, StopRequest.none, 10);
  if (how === 'is held')
    while (Atomics.load(new Int32Array(times), 0) < 2) Atomics.wait(new Int32Array(times), 0, 1, 10);
}

const port = parentPort!;
const post = port.postMessage.bind(port);
port.postMessage = (message: TrainerMessage) => {
  post(message);
  if (at === 'evaluation' && message.type === 'report' && message.report.phase === 'evaluating') isThere = true;
  if (at === 'rate found' && message.type === 'chosen') interrupt();
};
Atomics.add = ((array: Int32Array, index: number, value: number) => {
  if (isThere && array.length === ControlWord.count && index === ControlWord.beat && ++beats === BEATS) interrupt();
  return add(array, index, value);
}) as typeof add;
await import('../../../src/worker/trainer-thread.ts');
