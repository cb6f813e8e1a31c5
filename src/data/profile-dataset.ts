import type { Column, DatasetFile, DatasetFormat, Profile } from '../spec/dataset.ts';
import { isMissing, parseBoolean } from './cell.ts';
import { fail } from './dataset-error.ts';
import { ColumnProfile, DistinctBudget } from './profile-column.ts';
import { profileText } from './profile-text.ts';
import { readCsv } from './read-csv.ts';
import { readIdx } from './read-idx.ts';
import { type JsonValue, readJsonl } from './read-jsonl.ts';

export type PreviewRow = Record<string, unknown>;

export interface DatasetProfile {
  profile: Profile;
  /** The first rows, at most 20 and 1 MB; long texts are shortened, and an image is its shape. */
  preview: PreviewRow[];
}

const PREVIEW_ROWS = 20;
const PREVIEW_BYTES = 2 ** 20;
const PREVIEW_TEXT = 256;

/**
 * Reads a dataset from end to end, once: its rows, columns and first rows. Memory is bounded whatever its size.
 * `open` gives the bytes of a file by role. Throws DatasetError.
 */
export async function profileDataset(
  format: DatasetFormat,
  open: (role: DatasetFile['role']) => AsyncIterable<Uint8Array>,
): Promise<DatasetProfile> {
  switch (format) {
    case 'csv':
      return profileCsv(open('data'));
    case 'jsonl':
      return profileJsonl(open('data'));
    case 'idx':
      return profileIdx(open('images'), open('labels'));
    case 'text':
      return profileText(open('data'));
  }
}

async function profileCsv(source: AsyncIterable<Uint8Array>): Promise<DatasetProfile> {
  const budget = new DistinctBudget();
  let columns: ColumnProfile[] = [];
  const first: string[][] = [];
  const rows = await readCsv(source, {
    onHeader(names) {
      columns = names.map((name) => new ColumnProfile(name, budget));
    },
    onRow(fields) {
      for (let i = 0; i < columns.length; i++) columns[i]!.addField(fields[i]!);
      if (first.length < PREVIEW_ROWS) first.push(fields.map(shorten));
    },
  });
  const profile = { rows, columns: columns.map((column) => column.finish(rows)) };
  const preview = first.map((fields) =>
    Object.fromEntries(fields.map((field, i) => [profile.columns[i]!.name, readField(field, profile.columns[i]!)])),
  );
  return { profile, preview: limitPreview(preview) };
}

async function profileJsonl(source: AsyncIterable<Uint8Array>): Promise<DatasetProfile> {
  const budget = new DistinctBudget();
  const columns: ColumnProfile[] = [];
  const preview: PreviewRow[] = [];
  const rows = await readJsonl(source, {
    onColumn(name) {
      columns.push(new ColumnProfile(name, budget));
    },
    onValue(index, value) {
      columns[index]!.addValue(value);
    },
    onRowEnd(record) {
      if (preview.length < PREVIEW_ROWS) preview.push(shortenRecord(record));
    },
  });
  return { profile: { rows, columns: columns.map((column) => column.finish(rows)) }, preview: limitPreview(preview) };
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

function readField(field: string, column: Column): JsonValue | null {
  if (isMissing(field)) return null;
  if (column.type === 'number') return Number(field);
  return column.type === 'boolean' ? parseBoolean(field) : field;
}

function shortenRecord(record: Readonly<Record<string, JsonValue | null>>): PreviewRow {
  return Object.fromEntries(
    Object.entries(record).map(([name, value]) => [name, typeof value === 'string' ? shorten(value) : value]),
  );
}

/** At most 256 characters, in memory of its own: a field is a piece of the block it was read from. */
function shorten(text: string): string {
  return Buffer.from(
    text.length > PREVIEW_TEXT ? `${text.slice(0, PREVIEW_TEXT - 1).toWellFormed()}…` : text,
  ).toString();
}

function limitPreview(rows: PreviewRow[]): PreviewRow[] {
  let bytes = 0;
  return rows.filter((row, i) => {
    bytes += JSON.stringify(row).length;
    return i === 0 || bytes <= PREVIEW_BYTES;
  });
}
