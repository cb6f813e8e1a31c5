import { typeid } from 'typeid-js';
import { saveCheckpoint } from '../../src/checkpoints/checkpoint-file.ts';
import { finishJob } from '../../src/jobs/finish-job.ts';
import { recordCheckpoints } from '../../src/jobs/record-checkpoint.ts';
import type { JobSpec } from '../../src/spec/job-spec.ts';
import type { Preparation } from '../../src/spec/preparation.ts';
import { addClaimed, describeCheckpoint, describeJob } from './jobs.ts';
import type { Service } from './service.ts';

/** Networks whose weights are written by hand, so that a test knows what they answer. */

export interface Trained {
  jobId: string;
  checkpoint: string;
  storageKey: string;
}

interface Described {
  preparation: Preparation;
  layers: JobSpec['model']['layers'];
  weights: { name: string; shape: number[]; data: Float32Array }[];
  /** found, where none was given */
  learningRate?: number;
}

/** species: cat where x is below 2 for a red one and below 4 for any other; logits of two classes. */
export const CATS: Described = {
  preparation: {
    inputs: [
      { column: 'x', type: 'number', scale: 1, shift: 0, missing: 0 },
      { column: 'colour', type: 'category', classes: ['red', 'blue'] },
    ],
    target: { type: 'category', column: 'species', classes: ['cat', 'dog'] },
    inputWidth: 3,
    outputWidth: 2,
  },
  layers: [],
  weights: [
    { name: 'output.weight', shape: [3, 2], data: Float32Array.of(0, 1, 0, 2, 0, 0) },
    { name: 'output.bias', shape: [2], data: Float32Array.of(0, -4) },
  ],
};

/** The mean of the four bytes of an image. */
export const IMAGES: Described = {
  preparation: {
    inputs: [{ column: 'pixels', type: 'image', shape: [2, 2, 1], scale: 1, shift: 0 }],
    target: { type: 'number', columns: [{ column: 'mean', scale: 1, shift: 0 }] },
    inputWidth: 4,
    outputWidth: 1,
  },
  layers: [{ type: 'flatten', name: 'flat', inputs: ['input'] } as JobSpec['model']['layers'][number]],
  weights: [
    { name: 'output.weight', shape: [4, 1], data: new Float32Array(4).fill(0.25) },
    { name: 'output.bias', shape: [1], data: Float32Array.of(0) },
  ],
};

const LETTERS = 'abcdef';
const SIZE = LETTERS.length + 1;

/** After each letter the next one, by far the most likely, and after f again a; all others are equally likely. */
export const ALPHABET: Described = {
  preparation: {
    inputs: [{ column: 'text', type: 'text', tokenizer: { type: 'character', characters: LETTERS }, context: 4 }],
    target: { type: 'next_token', column: 'text' },
    inputWidth: 4,
    outputWidth: SIZE,
  },
  layers: [
    {
      ...{ type: 'embedding', name: 'tokens', inputs: ['input'], vocabulary: SIZE, units: SIZE, padding: false },
      init: { type: 'normal', mean: 0, stddev: 1 },
    } as unknown as JobSpec['model']['layers'][number],
  ],
  weights: [
    {
      name: 'tokens.weight',
      shape: [SIZE, SIZE],
      data: Float32Array.from({ length: SIZE * SIZE }, (_, i) => (i % (SIZE + 1) === 0 ? 1 : 0)),
    },
    {
      name: 'output.weight',
      shape: [SIZE, SIZE],
      data: Float32Array.from({ length: SIZE * SIZE }, (_, i) => {
        const [from, to] = [Math.floor(i / SIZE), i % SIZE];
        return to === (from % LETTERS.length) + 1 ? 3 : 0;
      }),
    },
    { name: 'output.bias', shape: [SIZE], data: new Float32Array(SIZE) },
  ],
};

/** A job that succeeded with such a network as its best checkpoint. */
export async function addTrained(
  service: Service,
  { preparation, layers, weights, learningRate }: Described,
): Promise<Trained> {
  const { db } = service.database;
  const { model } = describeJob('');
  const claim = await addClaimed(db, { model: { ...model, layers } });
  const { spec } = claim.job;
  const output = { ...spec.model.output!, inputs: [layers.at(-1)?.name ?? 'input'] };
  const { optimizer } = spec.training;
  const training = { ...spec.training, optimizer: { ...optimizer, learning_rate: 'auto' } } as JobSpec['training'];
  const id = typeid('ckpt').toString();
  const storageKey = `checkpoints/${claim.job.id}/${id}.safetensors`;
  const { sizeBytes, sha256 } = await saveCheckpoint(service.deps.storage, storageKey, {
    ...{ weights, resume: null, preparation, learningRate },
    spec: { ...spec, model: { ...spec.model, output }, ...(learningRate !== undefined && { training }) },
  });
  const checkpoint = { ...describeCheckpoint(1, 'best'), id, storageKey, sizeBytes, sha256, preparation };
  await recordCheckpoints(db, claim, [checkpoint]);
  await finishJob(db, claim, { status: 'succeeded', stopReason: 'completed', metrics: {} });
  return { jobId: claim.job.id, checkpoint: id, storageKey };
}
