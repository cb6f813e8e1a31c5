import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { chooseKernels } from '../../src/engine/kernels/load.ts';
import type { Column } from '../../src/spec/dataset.ts';
import { openDiskStorage } from '../../src/storage/disk.ts';
import { ControlWord, type TrainerData, type TrainerMessage } from '../../src/worker/messages.ts';
import { TrainerThreads } from '../../src/worker/trainer-threads.ts';
import { describeJob } from '../support/jobs.ts';

/**
 * A process that runs a large job on a training thread as a worker does, and prints what it took beside what it said: `{said, took}`, in bytes. RSS is read
 * from /proc. Run with --expose-gc.
 */
const [rows, units, threads] = process.argv.slice(2).map(Number) as [number, number, number];
const SIDE = 28;
const folder = await mkdtemp(join(tmpdir(), 'trainyard-memory-'));
const storage = openDiskStorage(folder);
const { compiled } = chooseKernels();
const trainers = new TrainerThreads();

function idx(dims: number[], elements: (i: number) => number): Uint8Array {
  const header = Buffer.alloc(4 + 4 * dims.length);
  header.writeUInt32BE(0x0800 + dims.length, 0);
  dims.forEach((size, i) => {
    header.writeUInt32BE(size, 4 + 4 * i);
  });
  const all = new Uint8Array(header.length + dims.reduce((a, b) => a * b));
  all.set(header);
  for (let i = header.length; i < all.length; i++) all[i] = elements(i);
  return all;
}

async function readMemory(what: 'VmRSS' | 'VmHWM'): Promise<number> {
  return 1024 * Number(new RegExp(`${what}:\\s*(\\d+) kB`).exec(await readFile('/proc/self/status', 'utf8'))![1]);
}

/** What there is when nothing has come or gone for a second: on a busy machine the beginning of a thread takes its time. */
async function settledMemory(): Promise<number> {
  let settled = 0;
  for (let looks = 0; looks < 5; looks++) {
    await sleep(200);
    const now = await readMemory('VmRSS');
    if (Math.abs(now - settled) > 2 ** 20) {
      settled = now;
      looks = -1;
    }
  }
  return settled;
}

const put = async (role: 'images' | 'labels', bytes: Uint8Array) => {
  const { key, sizeBytes, sha256 } = await storage.put(`datasets/${role}`, bytes);
  return { role, key, sizeBytes, sha256 };
};
const files = [
  await put(
    'images',
    idx([rows, SIDE, SIDE], (i) => (i * 40_503) >>> 5),
  ),
  await put(
    'labels',
    idx([rows], (i) => i % 10),
  ),
];
const classes = Array.from({ length: 10 }, (_, i) => ({ value: String(i), count: rows / 10 }));
const columns = [
  { name: 'pixels', type: 'image', shape: [SIDE, SIDE, 1], minimum: 0, maximum: 255 },
  { name: 'label', type: 'number', classes },
] as unknown as Column[];

async function run(width: number): Promise<number> {
  const init = { type: 'he_normal', gain: 1 } as const;
  const layer = (name: string, before: string) =>
    ({
      ...{ type: 'dense', name, units: width, activation: { type: 'relu' }, inputs: [before] },
      ...{ init, bias: true, bias_init: { type: 'zeros' } },
    }) as const;
  const base = describeJob('ds');
  const spec = describeJob('ds', {
    split: { validation: 0.01, test: 0, shuffle: true, stratify: false, seed: 0 },
    inputs: [{ column: 'pixels', type: 'image', normalize: 'unit', encoding: 'values', into: 'input' }] as never,
    target: { columns: ['label'], type: 'category', normalize: 'none' },
    model: {
      from: null,
      freeze: [],
      layers: [layer('a', 'input'), layer('b', 'a')] as never,
      output: { ...base.model.output!, inputs: ['b'], init },
    },
    training: {
      ...base.training,
      // until the next thread is ready
      ...{ epochs: 1, max_steps: 8, batch_size: 64 },
      loss: { type: 'cross_entropy', label_smoothing: 0, focal_gamma: 0, class_weights: null, ignore_class: null },
      optimizer: {
        type: 'adam',
        learning_rate: 1e-3,
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
        weight_decay: 0,
        amsgrad: false,
      },
    },
    resources: { threads, max_duration_s: null, priority: 0 },
  } as never);
  const control = new Int32Array(new SharedArrayBuffer(ControlWord.count * 4));
  const data: TrainerData = {
    ...{ jobId: `job${width}`, spec, compiled, threads, maxThreads: threads, maxMemoryBytes: 2 ** 30 },
    dataset: { format: 'idx', files, columns, rows },
    storage: storage.describe(),
    ...{ resume: [], trainedSeconds: 0, from: null, adapter: null, teacher: null, preparation: null, inherited: null },
    control: control.buffer as SharedArrayBuffer,
  };
  const thread = trainers.start(data);
  let said = 0;
  let outcome: TrainerMessage | null = null;
  thread.on('message', (message: TrainerMessage) => {
    if (message.type === 'started') said = message.memoryBytes;
    else if (message.type === 'stepped') trainers.prepare();
    else if (message.type === 'outcome') outcome = message;
    else if (message.type === 'report') {
      Atomics.add(control, ControlWord.acknowledged, 1);
      Atomics.notify(control, ControlWord.acknowledged);
    }
  });
  await new Promise((resolve, reject) => {
    thread.once('exit', resolve);
    thread.once('error', reject);
  });
  if ((outcome as unknown as { outcome: { status: string } } | null)?.outcome.status !== 'succeeded')
    throw new Error(`the job ended otherwise: ${JSON.stringify(outcome)}`);
  return said;
}

trainers.prepare();
globalThis.gc!();
const idle = await settledMemory();
// the most so far counts from now on: the files were made in memory (proc(5))
await writeFile('/proc/self/clear_refs', '5');
const said = await run(units);
console.log(JSON.stringify({ said, took: (await readMemory('VmHWM')) - idle }));
await trainers.close();
await rm(folder, { recursive: true });
