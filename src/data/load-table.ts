import type { Column, DatasetFile, DatasetFormat } from '../spec/dataset.ts';
import type { Target } from '../spec/job.ts';
import type { Storage } from '../storage/storage.ts';
import { orderFiles } from './ingest-dataset.ts';
import { type ColumnLoader, openLoader } from './load-column.ts';
import { openVerified } from './open-verified.ts';
import { readCsv } from './read-csv.ts';
import { readIdx } from './read-idx.ts';
import { readJsonl } from './read-jsonl.ts';
import { type ColumnForm, type Table, type TableColumn, UnusableColumnError } from './table.ts';

export interface LoadTableRequest {
  format: DatasetFormat;
  files: readonly DatasetFile[];
  /** from the dataset's profile */
  columns: readonly Column[];
  storage: Storage;
  inputs: readonly { column: string; type: ColumnForm }[];
  target: Target;
  /** further targets */
  more?: readonly Target[] | undefined;
  /** the column of the rows' weights */
  sampleWeight?: string | null | undefined;
  /** rows of the profile; where they are not given, room grows as rows come */
  rows?: number;
}

/**
 * Reads the columns that inputs and target need into typed arrays, and verifies the digest of every byte read.
 * Errors: UnusableColumnError before anything is read; DamagedDatasetError; BlobNotFoundError.
 */
export async function loadTable(request: LoadTableRequest): Promise<Table> {
  try {
    return await readTable(request);
  } catch (error) {
    // what cannot be read, or does not fit the profile, may only be so because the bytes have changed
    for (const file of request.files) await checkDigest(file, request.storage);
    throw error;
  }
}

async function readTable(request: LoadTableRequest): Promise<Table> {
  const { format, columns, storage } = request;
  const files = orderFiles(format, request.files);
  const forms = listForms(request.inputs, [request.target, ...(request.more ?? [])], request.sampleWeight ?? null);
  const found = [...forms].map(([name, wanted]) => {
    const column = columns.find((candidate) => candidate.name === name);
    if (column === undefined) throw new UnusableColumnError(name, 'is not in the dataset');
    return { column, wanted };
  });
  if (format === 'idx') return loadIdx(files, found, storage);

  const loaders = found.flatMap(({ column, wanted }) =>
    wanted.map((form) => {
      if (form === 'image') throw new UnusableColumnError(column.name, `is ${column.type}, not an image`);
      return { name: column.name, loader: openLoader(column, form) };
    }),
  );
  const [file] = files as [DatasetFile];
  const read = format === 'csv' ? loadCsv : loadJsonl;
  const rows = await read(openVerified(file, storage), loaders, request.rows ?? 1024);
  const table: Table = { rows, columns: new Map() };
  for (const { name, loader } of loaders) {
    loader.reserve(rows);
    table.columns.set(name, { ...table.columns.get(name), ...loader.finish(rows) });
  }
  return table;
}

/** Forms in which each column is needed. */
function listForms(
  inputs: readonly { column: string; type: ColumnForm }[],
  targets: readonly Target[],
  sampleWeight: string | null,
): Map<string, ColumnForm[]> {
  const forms = new Map<string, ColumnForm[]>();
  const add = (name: string, form: ColumnForm | 'next_token') => {
    if (form === 'next_token') throw new UnusableColumnError(name, 'is not a corpus');
    const wanted = forms.get(name) ?? [];
    if (!wanted.includes(form)) forms.set(name, [...wanted, form]);
  };
  for (const { column, type } of inputs) add(column, type);
  for (const { columns, type } of targets) for (const column of columns) add(column, type);
  if (sampleWeight !== null) add(sampleWeight, 'number');
  return forms;
}

type Loaders = readonly { name: string; loader: ColumnLoader }[];

async function loadCsv(source: AsyncIterable<Uint8Array>, loaders: Loaders, firstRoom: number): Promise<number> {
  let row = 0;
  let room = 0;
  let places: { index: number; loader: ColumnLoader }[] = [];
  return readCsv(source, {
    onHeader(names) {
      places = loaders.map(({ name, loader }) => ({ index: names.indexOf(name), loader }));
    },
    onRow(fields) {
      if (row === room) room = growRoom(loaders, room, firstRoom);
      for (const { index, loader } of places) loader.setField(row, fields[index]!);
      row++;
    },
  });
}

async function loadJsonl(source: AsyncIterable<Uint8Array>, loaders: Loaders, firstRoom: number): Promise<number> {
  let row = 0;
  let room = growRoom(loaders, 0, firstRoom);
  const places: ColumnLoader[][] = [];
  return readJsonl(source, {
    onColumn(name, index) {
      places[index] = loaders.filter((wanted) => wanted.name === name).map(({ loader }) => loader);
    },
    onValue(index, value) {
      if (row === room) room = growRoom(loaders, room, firstRoom);
      for (const loader of places[index]!) loader.setValue(row, value);
    },
    onRowEnd() {
      row++;
    },
  });
}

function growRoom(loaders: Loaders, room: number, firstRoom: number): number {
  const grown = room === 0 ? firstRoom : room * 2;
  for (const { loader } of loaders) loader.reserve(grown);
  return grown;
}

type Wanted = readonly { column: Column; wanted: ColumnForm[] }[];

async function loadIdx(files: readonly DatasetFile[], found: Wanted, storage: Storage): Promise<Table> {
  const table: Table = { rows: 0, columns: new Map() };
  for (const { column, wanted } of found) {
    const role = column.type === 'image' ? 'images' : 'labels';
    const bytes = await loadBytes(files.find((file) => file.role === role)!, role, storage);
    const loaded: TableColumn = {};
    for (const form of wanted) {
      if ((form === 'image') !== (column.type === 'image') || !['image', 'number', 'category'].includes(form)) {
        throw new UnusableColumnError(column.name, `is ${column.type}, not ${form}`);
      }
      if (form === 'image') loaded.image = { bytes: bytes.elements, shape: bytes.shape };
      if (form === 'number') loaded.numbers = Float64Array.from(bytes.elements);
      if (form === 'category') {
        const classes = column.classes!.map(({ value }) => value);
        const codes = new Int32Array(256).fill(-1);
        classes.forEach((value, code) => {
          codes[Number(value)] = code;
        });
        loaded.category = { codes: Int32Array.from(bytes.elements, (value) => codes[value]!), classes };
      }
    }
    table.rows = bytes.rows;
    table.columns.set(column.name, loaded);
  }
  return table;
}

async function loadBytes(file: DatasetFile, role: 'images' | 'labels', storage: Storage) {
  let elements = new Uint8Array(0);
  const { rows, shape } = await readIdx(openVerified(file, storage), role, {
    onHeader(header) {
      elements = new Uint8Array(header.rows * header.rowBytes);
    },
    onBytes(bytes, offset) {
      elements.set(bytes, offset);
    },
  });
  return { rows, shape, elements };
}

/** Errors: DamagedDatasetError; BlobNotFoundError. */
async function checkDigest(file: DatasetFile, storage: Storage): Promise<void> {
  for await (const _ of openVerified(file, storage));
}
