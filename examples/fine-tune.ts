import type { Job } from '../src/spec/job.ts';
import { say, send, train } from './client.ts';
import { type Digits, PIXELS, readDigits } from './mnist.ts';

/**
 * What a network learnt of the digits 0–4 helps to tell 5–9 apart, of which there are 50 images a class: from scratch, fine-tuned whole, and with low-rank
 * adapters. The learning rate of each, for each number of steps, is the one that does best in cross-validation over images to train on. Then each is trained
 * three times, with other images and other draws, and measured on the same 4,861 images of MNIST's test set, which nothing was chosen by.
 */
const IMAGES_A_CLASS = 50;
const NONE: Digits = { images: Buffer.alloc(0), labels: Buffer.alloc(0) };
const KNOWN = [0, 1, 2, 3, 4];
const NEW = [5, 6, 7, 8, 9];
const FOLDS = 3;
const target = 'label';

const convolution = (filters: number) => ({ type: 'conv2d', filters, padding: 'same', activation: 'relu' });
const LAYERS = [
  ...[16, 32, 64].flatMap((filters) => [convolution(filters), convolution(filters), { type: 'max_pool2d' }]),
  { type: 'flatten' },
  { type: 'dense', units: 64, activation: 'relu' },
];

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
async function upload(api: string, name: string, train: Digits, test: Digits = NONE) {
  const [images, labels] = [Buffer.concat([train.images, test.images]), Buffer.concat([train.labels, test.labels])];
  const rows = labels.length;
  const form = new FormData();
  form.append('images', idx([rows, 28, 28], images), 'images');
  form.append('labels', idx([rows], labels), 'labels');
  const { id } = await send<{ id: string }>('POST', `${api}/datasets?name=${name}`, form);
  say(`  ${name}: ${train.labels.length} images to train on, ${test.labels.length} to test`);
  return { dataset: id, split: { validation: 0, test: test.labels.length / rows, shuffle: false } };
}

/** A way to learn 5–9: the steps that it is given, and what is tried for each number of them. */
interface Way {
  name: string;
  steps: number[];
  tries: Try[];
}

/** `what`: in words. `spec`: how its jobs begin. */
interface Try {
  what: string;
  spec: object;
  training: { learning_rate: number; layer_decay?: number; schedule?: object };
}

function listWays(from: string): Way[] {
  const tune = (change: object) => ({ kind: 'fine_tune', model: { from, replace_head: true, ...change } });
  return [
    {
      ...{ name: 'from scratch', steps: [20, 40, 200] },
      tries: [0.002, 0.004, 0.008].map((rate) => ({
        ...{ what: `${rate}`, spec: { model: { layers: LAYERS } }, training: { learning_rate: rate } },
      })),
    },
    {
      ...{ name: 'fine-tuned', steps: [10, 20, 100, 200] },
      // the farther from the answers, the less a layer learns: each half as much as the next, so that larger rates do no harm
      tries: [0.004, 0.008, 0.016].map((rate) => ({
        ...{ what: `${rate}`, spec: tune({}), training: { learning_rate: rate, layer_decay: 0.5 } },
      })),
    },
    {
      ...{ name: 'with LoRA', steps: [300] },
      // alpha is the rank: another one would do what another rate does (Hu et al. 2021, 4.1)
      tries: [0.006, 0.012, 0.024].map((rate) => ({
        what: `${rate}`,
        spec: tune({ lora: { rank: 2, alpha: 2 } }),
        training: { learning_rate: rate, layer_decay: 0.8, schedule: { type: 'cosine' } },
      })),
    },
  ];
}

const trainingOf = ({ training: { learning_rate, ...more } }: Try, steps: number, seed: number) => ({
  ...{ ...more, max_steps: steps, batch_size: 25, seed },
  optimizer: { type: 'adam', learning_rate },
});

/** Of what is tried, that with the least loss over three folds of images to train on. */
async function choose(api: string, dataset: string, { name, tries }: Way, steps: number): Promise<Try> {
  const losses: number[] = [];
  for (const one of tries) {
    let sum = 0;
    for (let fold = 0; fold < FOLDS; fold++) {
      const split = { test: 0, folds: FOLDS, fold, seed: 1 };
      const spec = { dataset, split, target, ...one.spec, training: trainingOf(one, steps, 1) };
      const { progress } = await train(api, { ...spec, name: `${name} at ${one.what}` });
      sum += Number(progress!.metrics['validation.loss']);
    }
    losses.push(sum / FOLDS);
  }
  const best = tries[losses.indexOf(Math.min(...losses))]!;
  const tried = tries.map(({ what }, i) => `${what}: ${losses[i]!.toFixed(3)}`).join(', ');
  say(`  ${name.padEnd(12)} ${String(steps).padStart(4)} steps  validation loss at ${tried}`);
  return best;
}

export async function showFineTuning(api: string): Promise<void> {
  const [all, unseen] = [readDigits('train'), readDigits('t10k')];
  say('Uploading handwritten digits …');
  const known = await upload(api, 'digits-0-4', select(all, KNOWN), select(unseen, KNOWN));

  say('Training on 0–4 …');
  const parent = await train(api, {
    ...{ ...known, name: 'digits 0–4', target, model: { layers: LAYERS } },
    training: {
      ...{ epochs: 1, batch_size: 64, seed: 1 },
      ...{ optimizer: { type: 'adamw', learning_rate: 0.002 }, schedule: { type: 'cosine' } },
    },
  });
  say(`  test accuracy ${percent(accuracyOf(parent))} of 5,139 images`);
  const { id: from } = await send<{ id: string }>('GET', `${api}/jobs/${parent.id}/checkpoints/latest`);
  const ways = listWays(from);
  const draw = (time: number) => select(all, NEW, IMAGES_A_CLASS, time * IMAGES_A_CLASS);

  say('Choosing learning rates by three folds of 250 images …');
  const { dataset: first } = await upload(api, 'digits-5-9', draw(0));
  const runs: { way: Way; steps: number; chosen: Try; jobs: Job[] }[] = [];
  for (const way of ways)
    for (const steps of way.steps) runs.push({ way, steps, chosen: await choose(api, first, way, steps), jobs: [] });

  say('Training …');
  for (const seed of [1, 2, 3]) {
    const few = await upload(api, `digits-5-9-${seed}`, draw(seed - 1), select(unseen, NEW));
    for (const { way, steps, chosen, jobs } of runs) {
      const training = trainingOf(chosen, steps, seed);
      jobs.push(await train(api, { ...few, name: way.name, target, ...chosen.spec, training }));
    }
  }
  say('\nOn 250 images of 5–9, mean of three times (worst and best), of 4,861 images:');
  for (const { way, steps, chosen, jobs } of runs) {
    const all3 = jobs.map(accuracyOf);
    const mean = all3.reduce((sum, one) => sum + one, 0) / all3.length;
    const { parameters, trained_parameters: trained = parameters } = jobs[0]!.runtime!;
    say(
      `  ${way.name.padEnd(12)} ${String(steps).padStart(4)} steps at ${chosen.what}  test accuracy ${percent(mean)} ` +
        `(${percent(Math.min(...all3))} to ${percent(Math.max(...all3))})  ` +
        `${trained.toLocaleString('en-US')} parameters trained (${percent(trained / parameters)})`,
    );
  }
}

const accuracyOf = ({ metrics }: Job) => Number(metrics['test.accuracy']);

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
