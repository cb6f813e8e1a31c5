import { openAsBlob } from 'node:fs';
import type { Job } from '../src/spec/job.ts';
import { say, send } from './client.ts';
import { fileOf, HEADER_BYTES, PIXELS, readDigits } from './mnist.ts';

/** All 70,000 images and labels as one pair of IDX files: training set, then test set. Read from disk while they are sent. */
export async function uploadDigits(api: string): Promise<string> {
  say(`Uploading 70,000 handwritten digits to ${api}/datasets …`);
  const joinParts = async (kind: 'images' | 'labels') => {
    const [train, test] = [await openAsBlob(fileOf('train', kind)), await openAsBlob(fileOf('t10k', kind))];
    const headerBytes = HEADER_BYTES[kind];
    const header = Buffer.from(await train.slice(0, headerBytes).arrayBuffer());
    header.writeUInt32BE(70_000, 4);
    return new Blob([header, train.slice(headerBytes), test.slice(headerBytes)]);
  };
  const form = new FormData();
  form.append('images', await joinParts('images'), 'images-idx3-ubyte');
  form.append('labels', await joinParts('labels'), 'labels-idx1-ubyte');
  const { id, rows } = await send<{ id: string; rows: number }>('POST', `${api}/datasets?name=mnist`, form);
  say(`  ${id}: ${rows.toLocaleString('en-US')} rows\n`);
  return id;
}

/** The test split's accuracy, and ten of its images answered by the best checkpoint. */
export async function showDigits(api: string, { id, metrics }: Job): Promise<void> {
  const accuracy = (100 * Number(metrics['test.accuracy'])).toFixed(2);
  say(`\nTest accuracy: ${accuracy} % of 10,000 images the network never saw.`);
  const { images, labels } = readDigits('t10k');
  const rows = Array.from({ length: 10 }, (_, i) => ({
    pixels: [...images.subarray(i * PIXELS, (i + 1) * PIXELS)],
  }));
  const { predictions } = await send<{ predictions: { label: string; probabilities: Record<string, number> }[] }>(
    'POST',
    `${api}/jobs/${id}/predict`,
    { rows },
  );
  say('Ten test images:');
  predictions.forEach(({ label, probabilities }, i) => {
    const sure = (100 * probabilities[label]!).toFixed(1);
    say(`  image ${i}: predicted ${label} (${sure} % sure), it is ${labels[i]}`);
  });
}
