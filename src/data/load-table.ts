import { Readable } from 'node:stream';
import type { Column, DatasetFile, DatasetFormat } from '../spec/dataset.ts';
import type { Target } from '../spec/target.ts';
import type { Storage } from '../storage/storage.ts';
import { type ColumnLoader, openLoader } from './load-column.ts';
import { loadVerified, openVerified } from './open-verified.ts';
import { type RowFormat, readFileRows } from './read-file.ts';
import { readIdx } from './read-idx.ts';
import { openStored } from './stored-source.ts';
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
  const { format, files, columns, storage } = request;
  const forms = listForms(request.inputs, [request.target, ...(request.more ?? [])], request.sampleWeight ?? null);
  const found = [...forms].map(([name, wanted]) => {
    const column = columns.find((candidate) => candidate.name === name);
    if (column === undefined) throw new UnusableColumnError(name, 'is not in the dataset');
    return { column, wanted };
  });
  if (format === 'idx') return loadIdx(files, found, storage);

  const isImage = ({ column }: Wanted[number]) => column.type === 'image';
  const table: Table = { rows: request.rows ?? 0, columns: new Map() };
  const loaders = found
    .filter((wanted) => !isImage(wanted))
    .flatMap(({ column, wanted }) =>
      wanted.map((form) => {
        if (form === 'image') throw new UnusableColumnError(column.name, `is ${column.type}, not an image`);
        return { name: column.name, loader: openLoader(column, form) };
      }),
    );
  for (const { column, wanted } of found.filter(isImage)) {
    if (wanted.some((form) => form !== 'image')) throw new UnusableColumnError(column.name, 'is an image');
    const { rows, shape, elements } = await loadBytes(findFile(files, 'images'), 'images', storage);
    table.rows = rows;
    table.columns.set(column.name, { image: { bytes: elements, shape } });
  }
  if (loaders.length === 0) return table;
  const hasImages = files.some(({ role }) => role === 'images');
  const file = findFile(files, hasImages ? 'rows' : 'data');
  const rows = await loadRows(
    hasImages ? 'jsonl' : (format as RowFormat),
    file,
    storage,
    loaders,
    // one more than there are: the last row makes no room for further ones
    (request.rows ?? 1023) + 1,
  );
  table.rows = rows;
  for (const { name, loader } of loaders) {
    loader.reserve(rows);
    table.columns.set(name, { ...table.columns.get(name), ...loader.finish(rows) });
  }
  return table;
}

function findFile(files: readonly DatasetFile[], role: DatasetFile['role']): DatasetFile {
  const file = files.find((candidate) => candidate.role === role);
  if (file === undefined) throw new Error(`the dataset has no file of ${role}`);
  return file;
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

async function loadRows(
  format: RowFormat,
  file: DatasetFile,
  storage: Storage,
  loaders: Loaders,
  firstRoom: number,
): Promise<number> {
  let row = 0;
  let room = growRoom(loaders, 0, firstRoom);
  const places: ColumnLoader[][] = [];
  // what is not read in order is verified before; the rest as it passes
  const isInOrder = !['parquet', 'arrow', 'npz'].includes(format);
  if (!isInOrder) await checkDigest(file, storage);
  const source = openStored(file, storage);
  const names = new Set(loaders.map(({ name }) => name));
  return readFileRows(
    format,
    isInOrder ? { ...source, stream: () => openVerified(file, storage) } : source,
    file.dialect,
    {
      onColumn(name, index) {
        places[index] = loaders.filter((wanted) => wanted.name === name).map(({ loader }) => loader);
      },
      onField(index, field) {
        for (const loader of places[index]!) loader.setField(row, field);
      },
      onValue(index, value) {
        for (const loader of places[index]!) loader.setValue(row, value);
      },
      onRowEnd() {
        if (++row === room) room = growRoom(loaders, room, firstRoom);
      },
    },
    names,
  );
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
        const { elements } = bytes;
        const ofRows = new Int32Array(elements.length);
        for (let row = 0; row < elements.length; row++) ofRows[row] = codes[elements[row]!]!;
        loaded.category = { codes: ofRows, classes };
      }
    }
    table.rows = bytes.rows;
    table.columns.set(column.name, loaded);
  }
  return table;
}

async function loadBytes(file: DatasetFile, role: 'images' | 'labels', storage: Storage) {
  const whole = await loadVerified(file, storage);
  let elements: Uint8Array = whole;
  const { rows, shape } = await readIdx(Readable.from([whole]), role, {
    onHeader() {},
    onBytes(bytes) {
      elements = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
    },
  });
  return { rows, shape, elements };
}

/** Errors: DamagedDatasetError; BlobNotFoundError. */
async function checkDigest(file: DatasetFile, storage: Storage): Promise<void> {
  for await (const _ of openVerified(file, storage));
}
