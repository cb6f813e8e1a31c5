import type { Pointer } from './pointer.ts';

/** Batches. */
export interface BatchKernels {
  /** y (rows,cols) = cols values from table[order[step.first + firstRow + r] · stride] on ; table f32, order u32 */
  gatherRows(
    table: Pointer,
    order: Pointer,
    y: Pointer,
    firstRow: number,
    rows: number,
    cols: number,
    stride: number,
    step: Pointer,
  ): void;
  /** the same from bytes: y = scale·u8 + shift */
  gatherRowsU8(
    table: Pointer,
    order: Pointer,
    y: Pointer,
    firstRow: number,
    rows: number,
    cols: number,
    stride: number,
    scale: number,
    shift: number,
    step: Pointer,
  ): void;
  /** y (n) = the f32 that is word `word` of the step block */
  fillFromStep(y: Pointer, n: number, step: Pointer, word: number): void;
  /** y[0] = step.inverseWeight · Σ x (step.rows), summed in f64 in ascending order */
  meanRows(x: Pointer, y: Pointer, step: Pointer): void;
}
