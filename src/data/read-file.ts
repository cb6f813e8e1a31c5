import type { DatasetFile, DatasetFormat } from '../spec/dataset.ts';
import { decodeText } from './decode-text.ts';
import { readCsv } from './read-csv.ts';
import { readJsonl } from './read-jsonl.ts';
import type { ByteSource, RowHandler } from './row-handler.ts';
import { splitJsonArray } from './split-json-array.ts';
import { freeAfterUse } from './stored-source.ts';

/** Formats whose files are read row by row. */
export type RowFormat = Exclude<DatasetFormat, 'idx' | 'text' | 'images'>;

/**
 * Reads a file of rows from end to end; the handler is told of the `wanted` columns alone, of all where they are left out. Memory is bounded whatever the
 * file's size. Answers the number of rows. Throws DatasetError.
 */
export async function readFileRows(
  format: RowFormat,
  source: ByteSource,
  dialect: DatasetFile['dialect'],
  handler: RowHandler,
  wanted?: ReadonlySet<string>,
): Promise<number> {
  const text = () => decodeText(freeAfterUse(source.stream()), dialect?.encoding);
  // libraries of seldom formats are loaded where they are needed: a thread that reads CSV starts without them
  switch (format) {
    case 'csv':
      return readFields(text(), dialect, handler, wanted);
    case 'jsonl':
      return readObjects(text(), handler, wanted);
    case 'json':
      return readObjects(splitJsonArray(text()), handler, wanted);
    case 'parquet':
      return (await import('./read-parquet.ts')).readParquet(source, handler, wanted);
    case 'arrow':
      return (await import('./read-arrow.ts')).readArrow(source, handler, wanted);
    case 'npy':
      return (await import('./read-npz.ts')).readNpy(source, handler, wanted);
    case 'npz':
      return (await import('./read-npz.ts')).readNpz(source, handler, wanted);
  }
}

function readFields(
  source: AsyncIterable<Uint8Array>,
  dialect: DatasetFile['dialect'],
  handler: RowHandler,
  wanted?: ReadonlySet<string>,
): Promise<number> {
  let places: number[] = [];
  return readCsv(
    source,
    {
      onHeader(names) {
        places = [...names.keys()].filter((place) => wanted === undefined || wanted.has(names[place]!));
        for (const [index, place] of places.entries()) handler.onColumn(names[place]!, index);
      },
      onRow(fields) {
        for (let index = 0; index < places.length; index++) handler.onField(index, fields[places[index]!]!);
        handler.onRowEnd();
      },
    },
    dialect,
  );
}

function readObjects(
  source: AsyncIterable<Uint8Array>,
  handler: RowHandler,
  wanted?: ReadonlySet<string>,
): Promise<number> {
  const indexes: (number | undefined)[] = [];
  let columns = 0;
  return readJsonl(source, {
    onColumn(name, place) {
      if (wanted !== undefined && !wanted.has(name)) return;
      indexes[place] = columns;
      handler.onColumn(name, columns++);
    },
    onArray: (name) => handler.onArray?.(name),
    onValue(place, value) {
      const index = indexes[place];
      if (index !== undefined) handler.onValue(index, value);
    },
    onRowEnd: () => handler.onRowEnd(),
  });
}
