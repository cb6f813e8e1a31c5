import type { CellValue } from './cell.ts';

/** What a reader of rows tells, row after row, whatever the format. */
export interface RowHandler {
  /** Once for each column, before its first value; `index` counts from 0 without a gap. */
  onColumn(name: string, index: number): void;
  /** Before the columns that are its places: arrays of this name are in rows. May be told again. */
  onArray?(name: string): void;
  /** A field of the current row that has no type of its own, as in CSV; it may say that there is no value. */
  onField(index: number, field: string): void;
  /** A value of the current row; those that are missing are not told. */
  onValue(index: number, value: CellValue): void;
  onRowEnd(): void;
}

/** The stored bytes of a file of rows. */
export interface ByteSource {
  sizeBytes: number;
  /** from the beginning to the end */
  stream(): AsyncIterable<Uint8Array>;
  /** from `start` to `end`, exclusive, for formats that are not read in order */
  slice(start: number, end: number): Promise<Uint8Array>;
}
