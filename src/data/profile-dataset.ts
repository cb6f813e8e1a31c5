import type { Column, DatasetFile, DatasetFormat, DateOrder } from '../spec/dataset.ts';
import { fail } from './dataset-error.ts';
import { decodeText } from './decode-text.ts';
import { type DatasetProfile, limitPreview, PREVIEW_ROWS } from './preview.ts';
import { profileRows } from './profile-rows.ts';
import { profileText } from './profile-text.ts';
import { readIdx } from './read-idx.ts';
import type { ByteSource } from './row-handler.ts';
import { freeAfterUse } from './stored-source.ts';

/**
 * Reads a dataset from end to end, once: its rows, columns and first rows. Memory is bounded whatever its size.
 * `open` gives the bytes of a file by role; `has` tells whether there is one. Throws DatasetError.
 */
export async function profileDataset(
  format: DatasetFormat,
  open: (role: DatasetFile['role']) => ByteSource,
  {
    dialect,
    has = () => false,
    imageColumn = 'image',
    orderOfDates,
  }: {
    dialect?: DatasetFile['dialect'];
    has?: (role: DatasetFile['role']) => boolean;
    imageColumn?: string;
    orderOfDates?: (column: string) => DateOrder | null;
  } = {},
): Promise<DatasetProfile> {
  if (has('images') && format !== 'idx') return profileImages(open, has('rows'), imageColumn, orderOfDates);
  switch (format) {
    case 'idx':
      return profileIdx(freeAfterUse(open('images').stream()), freeAfterUse(open('labels').stream()));
    case 'text':
      return profileText(decodeText(freeAfterUse(open('data').stream()), dialect?.encoding));
    case 'images':
      throw new Error('images are decoded before they are profiled');
    default:
      return profileRows(format, open('data'), dialect, orderOfDates);
  }
}

/** Images of an archive or an array: a column of images beside those of `rows`. */
async function profileImages(
  open: (role: DatasetFile['role']) => ByteSource,
  hasRows: boolean,
  name: string,
  orderOfDates?: (column: string) => DateOrder | null,
): Promise<DatasetProfile> {
  const counts = new Float64Array(256);
  const { rows, shape } = await readIdx(freeAfterUse(open('images').stream()), 'images', {
    onHeader() {},
    onBytes(bytes) {
      for (let i = 0; i < bytes.length; i++) counts[bytes[i]!]!++;
    },
  });
  const image = { ...describeBytes(name, 'image', counts), shape };
  const rest = hasRows ? await profileRows('jsonl', open('rows'), undefined, orderOfDates) : null;
  if (rest !== null && rest.profile.rows !== rows)
    fail('invalid_labels', { line: null }, `there are ${rows} images and ${rest.profile.rows} rows`, 'one for each');
  if (rest?.profile.columns.some((column) => column.name === name))
    fail('invalid_npy', { line: null }, `${name} is the name of the images`, 'another name for the array');
  const first = rest?.preview ?? Array.from({ length: Math.min(rows, PREVIEW_ROWS) }, () => ({}));
  return {
    profile: { rows, columns: [image, ...(rest?.profile.columns ?? [])] },
    preview: limitPreview(first.map((row) => ({ [name]: { shape }, ...row }))),
  };
}

/** Columns `pixels` (image) and `label` (category of the labels' digits). */
async function profileIdx(
  images: AsyncIterable<Uint8Array>,
  labels: AsyncIterable<Uint8Array>,
): Promise<DatasetProfile> {
  const pixelCounts = new Float64Array(256);
  const labelCounts = new Float64Array(256);
  const firstLabels: number[] = [];
  const { rows, shape } = await readIdx(images, 'images', {
    onHeader() {},
    onBytes(bytes) {
      for (let i = 0; i < bytes.length; i++) pixelCounts[bytes[i]!]!++;
    },
  });
  const labelHeader = await readIdx(labels, 'labels', {
    onHeader() {},
    onBytes(bytes) {
      for (let i = 0; i < bytes.length; i++) labelCounts[bytes[i]!]!++;
      for (let i = 0; firstLabels.length < PREVIEW_ROWS && i < bytes.length; i++) firstLabels.push(bytes[i]!);
    },
  });
  if (labelHeader.rows !== rows) {
    fail(
      'invalid_labels',
      { line: null },
      `there are ${rows} images and ${labelHeader.rows} labels`,
      'one label for each image',
    );
  }
  const label = describeBytes('label', 'category', labelCounts);
  if (label.distinct === 1) {
    fail('invalid_labels', { line: null }, `every label is ${label.minimum}`, 'labels of at least two classes');
  }
  const classes = Array.from(labelCounts, (count, value) => ({ value: String(value), rows: count })).filter(
    (c) => c.rows > 0,
  );
  const pixels = describeBytes('pixels', 'image', pixelCounts);
  return {
    profile: {
      rows,
      columns: [
        { ...pixels, shape },
        { ...label, classes },
      ],
    },
    preview: firstLabels.map((value) => ({ pixels: { shape }, label: String(value) })),
  };
}

function describeBytes(name: string, type: Column['type'], counts: Float64Array): Column {
  const values = [...counts.keys()].filter((value) => counts[value]! > 0);
  const total = counts.reduce((sum, count) => sum + count, 0);
  const mean = values.reduce((sum, value) => sum + value * counts[value]!, 0) / total;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2 * counts[value]!, 0) / total;
  return {
    name,
    type,
    missing: 0,
    distinct: type === 'image' ? null : values.length,
    minimum: values[0]!,
    maximum: values.at(-1)!,
    mean,
    standard_deviation: Math.sqrt(variance),
    integer: true,
    classes: null,
    shape: null,
  };
}
