import { checkNames, LARGEST_COLUMN_COUNT } from './column-name.ts';
import { explainZipErrors, isPassedOver, openZip } from './open-zip.ts';
import { failNpy, NpyReader } from './read-npy.ts';
import type { ByteSource, RowHandler } from './row-handler.ts';

const MOST_ARRAYS = 256;

/** Arrays that share their first dimension, side by side. */
interface NamedArray {
  name: string;
  reader: NpyReader;
}

export interface ArrayHandler extends RowHandler {
  /** Before the first row, where an array is of images: height, width, channels. Their pixels are not told. */
  onImages?(name: string, shape: number[]): void;
}

/** Reads one array: (n), (n, k) or (n, steps, k) becomes columns, (n, height, width[, channels]) of bytes images. Throws DatasetError invalid_npy. */
export function readNpy(source: ByteSource, handler: ArrayHandler, wanted?: ReadonlySet<string>): Promise<number> {
  return readArrays([{ name: 'x', reader: new NpyReader(source.stream()) }], handler, wanted);
}

/**
 * Reads the arrays of an archive side by side: those of (n) are columns of their names, of (n, k) columns name_0 … name_{k−1}, of (n, steps, k)
 * name_0_0 …, and one of bytes with 3 or 4 dimensions is images.
 * Memory: one row and a piece of each. Throws DatasetError invalid_npy, invalid_archive, unsafe_archive.
 */
export function readNpz(source: ByteSource, handler: ArrayHandler, wanted?: ReadonlySet<string>): Promise<number> {
  return explainZipErrors(async () => {
    const zip = await openZip(source);
    const arrays: NamedArray[] = [];
    for await (const entry of zip.eachEntry()) {
      if (isPassedOver(entry.fileName)) continue;
      if (!entry.fileName.endsWith('.npy'))
        failNpy(`the archive holds ${JSON.stringify(entry.fileName.slice(0, 60))}`, 'nothing but arrays (.npy)');
      if (arrays.length === MOST_ARRAYS)
        failNpy(`there are more than ${MOST_ARRAYS} arrays`, 'one array of many columns');
      const stream = await zip.openReadStreamPromise(entry);
      // whoever reads it hears of its errors; it may end before anybody does
      stream.on('error', () => {});
      arrays.push({ name: entry.fileName.slice(0, -4), reader: new NpyReader(stream) });
    }
    if (arrays.length === 0) failNpy('the archive is empty');
    return readArrays(arrays, handler, wanted);
  });
}

async function readArrays(arrays: NamedArray[], handler: ArrayHandler, wanted?: ReadonlySet<string>): Promise<number> {
  try {
    for (const { name, reader } of arrays) await reader.readHeader(name);
    const rows = arrays[0]!.reader.header.shape[0] ?? failNpy(`${arrays[0]!.name} has no dimensions`);
    let columns = 0;
    const names: string[] = [];
    const tellers = arrays.map(({ name, reader }) => {
      const { shape, isByte, bytes, read } = reader.header;
      if (shape[0] !== rows)
        failNpy(`${name} has ${shape[0] ?? 'no'} rows, and ${arrays[0]!.name} has ${rows}`, 'arrays of one length');
      if (shape.length > 3 && !isByte)
        failNpy(
          `${name} has ${shape.length} dimensions and is not of bytes`,
          'uint8 for images, else at most three dimensions: a.reshape(len(a), -1)',
        );
      if (shape.length > 2 && isByte) {
        handler.onImages?.(name, shape.length === 3 ? [...shape.slice(1), 1] : shape.slice(1));
        return () => {};
      }
      if (reader.width > LARGEST_COLUMN_COUNT)
        failNpy(`a row of ${name} has ${reader.width} elements`, `at most ${LARGEST_COLUMN_COUNT} columns`);
      if (shape.length > 1) handler.onArray?.(name);
      const places: { index: number; at: number }[] = [];
      for (let i = 0; i < reader.width; i++) {
        const [, , inner = 0] = shape;
        const place = inner === 0 ? `${i}` : `${Math.floor(i / inner)}_${i % inner}`;
        const column = shape.length === 1 ? name : `${name}_${place}`;
        names.push(column);
        if (wanted === undefined || wanted.has(column)) places.push({ index: columns++, at: i * bytes });
      }
      return (row: Buffer) => {
        const view = new DataView(row.buffer, row.byteOffset, row.byteLength);
        for (const { index, at } of places) {
          const value = read(view, at);
          if (typeof value !== 'number' || Number.isFinite(value)) handler.onValue(index, value);
        }
      };
    });
    if (names.length > 0) checkNames(names, failNpy);
    let index = 0;
    for (const name of names) if (wanted === undefined || wanted.has(name)) handler.onColumn(name, index++);
    if (rows === 0) failNpy('the arrays have no rows', 'at least one row');
    for (let row = 0; row < rows; row++) {
      for (let i = 0; i < arrays.length; i++) {
        const bytes = await arrays[i]!.reader.readRow();
        if (bytes === null) failNpy(`${arrays[i]!.name} ends at row ${row + 1} of ${rows}`);
        tellers[i]!(bytes);
      }
      handler.onRowEnd();
    }
    for (const { name, reader } of arrays)
      if ((await reader.readRow()) !== null) failNpy(`${name} is longer than its header says`);
    return rows;
  } finally {
    for (const { reader } of arrays) await reader.close().catch(() => {});
  }
}
