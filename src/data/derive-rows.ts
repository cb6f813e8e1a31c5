import { createHash } from 'node:crypto';
import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import type { Column, DatasetFile, DatasetFormat } from '../spec/dataset.ts';
import type { Part, Sample } from '../spec/dataset-request.ts';
import type { Filter } from '../spec/filter.ts';
import type { Storage } from '../storage/storage.ts';
import { fail } from './dataset-error.ts';
import { compileFilter, listFilterColumns } from './filter-rows.ts';
import { openVerified } from './open-verified.ts';
import { type RowFormat, readFileRows } from './read-file.ts';
import { makeHeader, readIdx } from './read-idx.ts';
import type { RowHandler } from './row-handler.ts';
import { openStored } from './stored-source.ts';
import { type RowRecord, RowWriter } from './write-rows.ts';

/** A dataset of rows of others: which, and which columns. */
export interface Derivation {
  parents: Parent[];
  /** names, in order; every parent has them */
  columns: string[];
  filter: Filter | null;
  sample: Sample | null;
  part: Part | null;
}

export interface Parent {
  format: DatasetFormat;
  files: DatasetFile[];
  columns: Column[];
  rows: number;
}

type Put = (role: DatasetFile['role'], source: AsyncIterable<Uint8Array>) => Promise<DatasetFile>;

/**
 * Writes the rows that are wanted, as JSON lines in `data`, or where there are images as IDX in `images` and the rest in `rows`. Every byte that is read is
 * verified. Memory: a byte for each row of the parents. Throws DatasetError empty_body where no row is left; DamagedDatasetError.
 */
export async function deriveRows(derivation: Derivation, storage: Storage, put: Put): Promise<DatasetFile[]> {
  const masks: Uint8Array[] = [];
  for (const parent of derivation.parents) masks.push(await chooseRows(parent, derivation, storage));
  if (derivation.part !== null) keepPart(masks, derivation.part);
  if (derivation.sample !== null) keepSample(masks, derivation.sample);
  const rows = countRows(masks);
  if (rows === 0) fail('empty_body', { line: null }, 'no row is left', 'a filter, part or sample that keeps some');

  const [{ columns }] = derivation.parents as [Parent];
  const wanted = derivation.columns.map((name) => columns.find((column) => column.name === name)!);
  const image = wanted.find(({ type }) => type === 'image');
  const others = wanted.filter((column) => column !== image);
  const files: DatasetFile[] = [];
  if (image !== undefined) {
    const pixels = async function* () {
      yield makeHeader(rows, image.shape!);
      for (const [i, parent] of derivation.parents.entries()) yield* readPixels(parent, masks[i]!, storage);
    };
    files.push(await put('images', pixels()));
  }
  if (others.length > 0)
    files.push(
      await writeRows(derivation.parents, others, masks, storage, (source) =>
        put(image === undefined ? 'data' : 'rows', source),
      ),
    );
  return files;
}

/** 1 for each row that the filter accepts. */
async function chooseRows(parent: Parent, { filter }: Derivation, storage: Storage): Promise<Uint8Array> {
  const mask = new Uint8Array(parent.rows).fill(filter === null ? 1 : 0);
  if (filter === null) return mask;
  const names = new Set(listFilterColumns(filter));
  const holds = compileFilter(filter, parent.columns);
  let row = 0;
  const note = (record: RowRecord) => {
    mask[row++] = holds(record) ? 1 : 0;
    return false;
  };
  const read = parent.columns.filter(({ name }) => names.has(name));
  await readParent(parent, new RowWriter([], read, note), names, storage);
  return mask;
}

async function writeRows(
  parents: readonly Parent[],
  columns: readonly Column[],
  masks: readonly Uint8Array[],
  storage: Storage,
  put: (source: AsyncIterable<Uint8Array>) => Promise<DatasetFile>,
): Promise<DatasetFile> {
  let current = 0;
  let row = 0;
  const writer = new RowWriter(columns, columns, () => masks[current]![row++] === 1);
  const names = new Set(columns.map(({ name }) => name));
  const feed = async () => {
    for (const [i, parent] of parents.entries()) {
      current = i;
      row = 0;
      await readParent(parent, writer, names, storage);
    }
    writer.end();
  };
  const feeding = feed().catch((error: Error) => void writer.stream.destroy(error));
  const [file] = await Promise.all([put(writer.stream), feeding]);
  return file;
}

/** Rows of the table, or those beside the images. */
async function readParent(
  { format, files, columns }: Parent,
  writer: RowWriter,
  names: ReadonlySet<string>,
  storage: Storage,
): Promise<void> {
  const find = (role: DatasetFile['role']) => files.find((file) => file.role === role);
  if (format === 'idx') return readLabels(find('labels')!, columns, writer, storage);
  const rows = find('rows');
  const file = rows ?? find('data')!;
  const source = writer.throttle(openStored(file, storage));
  for await (const _ of openVerified(file, storage));
  await readFileRows(rows === undefined ? (format as RowFormat) : 'jsonl', source, file.dialect, writer, names);
}

async function readLabels(
  file: DatasetFile,
  columns: readonly Column[],
  handler: RowHandler,
  storage: Storage,
): Promise<void> {
  handler.onColumn(columns.find(({ type }) => type !== 'image')!.name, 0);
  await readIdx(openVerified(file, storage), 'labels', {
    onHeader() {},
    onBytes(bytes) {
      for (const value of bytes) {
        handler.onValue(0, String(value));
        handler.onRowEnd();
      }
    },
  });
}

/** The bytes of each image that is wanted. */
async function* readPixels({ files }: Parent, mask: Uint8Array, storage: Storage): AsyncGenerator<Uint8Array> {
  const file = files.find(({ role }) => role === 'images')!;
  let pending = Buffer.alloc(0);
  let header = 0;
  let size = 0;
  let row = 0;
  for await (const piece of openVerified(file, storage)) {
    pending = Buffer.concat([pending, piece]);
    if (header === 0) {
      if (pending.length < 20) continue;
      const dimensions = pending[3]!;
      header = 4 + 4 * dimensions;
      size = 1;
      for (let i = 1; i < dimensions; i++) size *= pending.readUInt32BE(4 + 4 * i);
      pending = pending.subarray(header);
    }
    let at = 0;
    for (; at + size <= pending.length; at += size) if (mask[row++] === 1) yield pending.subarray(at, at + size);
    pending = Buffer.from(pending.subarray(at));
  }
}

function countRows(masks: readonly Uint8Array[]): number {
  return masks.reduce((sum, mask) => sum + mask.reduce((count, bit) => count + bit, 0), 0);
}

/** A row's draw follows from the seed and its place among the parents' rows, whatever a filter leaves. */
function keepPart(masks: readonly Uint8Array[], { from, to, seed }: Part): void {
  const random = seedGenerator(seed);
  for (const mask of masks)
    for (let row = 0; row < mask.length; row++) {
      const draw = uniformInt(random, 0, 2 ** 31 - 1) / 2 ** 31;
      if (draw < from || draw >= to) mask[row] = 0;
    }
}

/** Selection sampling (Knuth, The Art of Computer Programming, vol. 2, algorithm S). */
function keepSample(masks: readonly Uint8Array[], { rows, seed }: Sample): void {
  const random = seedGenerator(seed);
  let left = countRows(masks);
  let wanted = Math.min(rows, left);
  for (const mask of masks)
    for (let row = 0; row < mask.length; row++) {
      if (mask[row] === 0) continue;
      if (uniformInt(random, 0, left - 1) < wanted) wanted--;
      else mask[row] = 0;
      left--;
    }
}

/** All bits of a seed up to 2⁵³ count. */
function seedGenerator(seed: number) {
  return xoroshiro128plus(createHash('sha256').update(String(seed)).digest().readInt32LE(0));
}
