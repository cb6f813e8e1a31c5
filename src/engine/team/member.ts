import { once } from 'node:events';
import { parentPort } from 'node:worker_threads';
import { instantiateKernels } from '../kernels/load.ts';
import { CONTROL_BYTES } from '../plan/layout.ts';
import { Command, createBarrier, Order, orderAt, Word } from './control.ts';
import type { MemberData } from './members.ts';
import { ProgramRunner } from './runner.ts';

/** Entry of every thread of a team but the leader: waits for a team, then does what the control words say until told to exit. */
const [data] = (await once(parentPort!, 'message')) as [MemberData];
const { plan, compiled, memory, rank, stallTimeoutMs, errors } = data;
const control = new Int32Array(memory.buffer, 0, CONTROL_BYTES / 4);
const controlFloats = new Float32Array(memory.buffer, 0, CONTROL_BYTES / 4);

try {
  const barrier = createBarrier(control, plan.threads, stallTimeoutMs);
  // between two orders the leader may take as long as it likes: it writes checkpoints, and waits for others
  const waitForOrder = createBarrier(control, plan.threads, Number.POSITIVE_INFINITY);
  const runner = new ProgramRunner(plan, instantiateKernels(compiled, memory), memory, rank, barrier);
  const programs = Object.values(plan.programs);
  const batch = { rows: 0, first: 0, step: 0, inverseWeight: 0, inverseRows: 0 };
  for (let n = 0; ; n++) {
    waitForOrder();
    const order = orderAt(n);
    const command = control[order + Order.command];
    if (command === Command.exit) break;
    if (command !== Command.run) continue;
    batch.rows = control[order + Order.rows]!;
    batch.first = control[order + Order.first]! >>> 0;
    batch.step = (control[order + Order.stepLow]! >>> 0) + (control[order + Order.stepHigh]! >>> 0) * 2 ** 32;
    batch.inverseWeight = controlFloats[order + Order.inverseWeight]!;
    batch.inverseRows = controlFloats[order + Order.inverseRows]!;
    runner.run(programs[control[order + Order.program]!]!, batch);
  }
} catch (error) {
  errors.postMessage(error instanceof Error ? error.stack : String(error));
  Atomics.store(control, Word.failed, 1);
  Atomics.notify(control, Word.phase);
}
