import type { Pointer } from './pointer.ts';

/** Embedding. */
export interface EmbeddingKernels {
  /** y (n, cols) = row ids[i] of table (size, cols); ids are floats; one outside [0, size) gives a row of NaN */
  embed(ids: Pointer, table: Pointer, y: Pointer, n: number, size: number, cols: number): void;
  /** The other way: row ids[i] of table (size, cols) = x (n, cols); one outside [0, size) goes nowhere, and of equal ids the last counts */
  storeRows(ids: Pointer, x: Pointer, table: Pointer, n: number, size: number, cols: number): void;
  /** dtable (rows, cols) = rows [first, first + rows) of the table's gradient: Σ of dy (n, cols) where ids[i] is the row, in ascending i */
  embedGrad(ids: Pointer, dy: Pointer, dtable: Pointer, n: number, first: number, rows: number, cols: number): void;
}
