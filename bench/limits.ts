import { once } from 'node:events';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { type CompiledKernels, chooseKernels, instantiateKernels } from '../src/engine/kernels/load.ts';
import { adviseHugePages } from '../src/engine/team/huge-pages.ts';

/** What the machine can do at most, on so many threads at once. */
export interface Limits {
  /** fused multiply-adds in registers */
  gflops: number;
  /** y += a·x over arrays far larger than the caches: three times 4 bytes an element */
  gigabytesPerSecond: number;
}

/** Floating-point operations of one `fmaPeak` iteration. */
export const PEAK_FLOP = 160;
const TRIAL_MS = 100;
const ARRAY_BYTES = 64 * 2 ** 20;

/** Threads that measure the limits as often as they are asked: a machine that is shared is faster at times. */
export async function openLimits(threads: number): Promise<{ measure(): Promise<Limits>; close(): Promise<void> }> {
  const { compiled } = chooseKernels();
  const workers = Array.from(
    { length: threads },
    () => new Worker(new URL(import.meta.url), { workerData: compiled, execArgv: [] }),
  );
  await Promise.all(workers.map((worker) => once(worker, 'message')));
  const ask = async (what: 'flops' | 'bytes') => {
    const answers = workers.map((worker) => once(worker, 'message') as Promise<[number]>);
    for (const worker of workers) worker.postMessage(what);
    return (await Promise.all(answers)).reduce((sum, [rate]) => sum + rate, 0) / 1e9;
  };
  return {
    measure: async () => ({ gflops: await ask('flops'), gigabytesPerSecond: await ask('bytes') }),
    close: async () => void (await Promise.all(workers.map((worker) => worker.terminate()))),
  };
}

/** Rate of a tenth of a second, with what a shared core loses meanwhile: steps, which it is compared with, lose as much. */
function measureRate(work: number, go: () => void): number {
  const began = performance.now();
  let goes = 0;
  let milliseconds = 0;
  do {
    go();
    goes++;
    milliseconds = performance.now() - began;
  } while (milliseconds < TRIAL_MS);
  return (work * goes * 1000) / milliseconds;
}

if (!isMainThread && parentPort !== null) {
  const pages = (2 * ARRAY_BYTES) / 65_536;
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  adviseHugePages(memory);
  const kernels = instantiateKernels(workerData as CompiledKernels, memory);
  kernels.fill(0, (2 * ARRAY_BYTES) / 4, 1);
  const port = parentPort;
  port.on('message', (what: 'flops' | 'bytes') => {
    const rate =
      what === 'flops'
        ? measureRate(200_000 * PEAK_FLOP, () => kernels.fmaPeak(200_000))
        : measureRate(3 * ARRAY_BYTES, () => kernels.addScaled(0, ARRAY_BYTES, ARRAY_BYTES / 4, 1e-9));
    port.postMessage(rate);
  });
  port.postMessage('ready');
}
