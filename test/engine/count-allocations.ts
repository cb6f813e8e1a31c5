import { setImmediate } from 'node:timers/promises';
import { getHeapStatistics } from 'node:v8';
import type { Worker } from 'node:worker_threads';
import { compileKernels } from '../../src/engine/kernels/load.ts';
import { FAMILIES } from '../support/families.ts';
import { createTrainer } from '../support/networks.ts';

/**
 * node --expose-gc count-allocations.ts FAMILY THREADS STEPS NOISE: trains as a job does, in a process where nothing else happens, and prints for each
 * thread of the team, leader first, the least that V8 counted in a go: bytes allocated, and bytes more in use after a collection of garbage. Another go, of three
 * at most, is made where NOISE bytes, or a sixteenth of them in use, are not enough.
 */
const [family, threads, steps, noise] = process.argv.slice(2) as [string, string, string, string];
const GOES = 3;

/** Node tells it; its types do not know it yet. */
type Heap = ReturnType<typeof getHeapStatistics> & { total_allocated_bytes: number };

const members: Worker[] = [];
process.on('worker', (worker) => {
  members.push(worker);
});
const trainer = createTrainer(compileKernels({ build: 'relaxed' }), Number(threads), {
  ...{ ...FAMILIES[family]!, averaging: { decay: 0.9 }, accumulateSteps: 2 },
});
trainer.initialize();
// Node tells of new threads when this turn of the event loop is over
await setImmediate();

let step = 0;
/** An epoch is an update of two batches, and one of a shorter batch. */
function train(count: number): void {
  for (let i = 0; i < count; i++) {
    const isLast = i % 2 === 1;
    if (!Number.isFinite(trainer.step(isLast ? 8 : 0, isLast ? 2 : 8, step++, 0.001))) throw new Error('diverged');
  }
}

async function readHeaps(): Promise<Heap[]> {
  global.gc!();
  const heaps = [getHeapStatistics(), ...(await Promise.all(members.map((member) => member.getHeapStatistics())))];
  return heaps as Heap[];
}

// meanwhile code is compiled and optimized
train(Number(steps));
let least = Array.from({ length: Number(threads) }, () => ({ allocated: Infinity, grown: Infinity }));
const isNoise = () => least.every(({ allocated, grown }) => allocated < Number(noise) && grown < Number(noise) / 16);
for (let go = 0; go < GOES && !isNoise(); go++) {
  const before = await readHeaps();
  train(Number(steps));
  const allocated = (getHeapStatistics() as Heap).total_allocated_bytes;
  const after = await readHeaps();
  least = after.map((heap, rank) => ({
    allocated: Math.min(
      least[rank]!.allocated,
      (rank === 0 ? allocated : heap.total_allocated_bytes) - before[rank]!.total_allocated_bytes,
    ),
    grown: Math.min(least[rank]!.grown, heap.used_heap_size - before[rank]!.used_heap_size),
  }));
}
await trainer.close();
console.log(JSON.stringify(least));
