import type { Pointer } from './pointer.ts';

/** Reductions. */
export interface ReductionKernels {
  /** y (cols) = Σ over rows of x (rows, cols; row distance ldx), rows in ascending order */
  columnSum(x: Pointer, ldx: number, y: Pointer, rows: number, cols: number): void;
  /** y (rows) = Σ x·0 over cols: 0, and NaN where a value of the row is none or infinite */
  notFinite(x: Pointer, y: Pointer, rows: number, cols: number): void;
  /** y[i] = Σ squares of chunk i of x: `chunk` elements each, the last one shorter; for i in [firstChunk, firstChunk+chunks) of a tensor of n */
  sumSquaresChunks(x: Pointer, n: number, chunk: number, firstChunk: number, chunks: number, y: Pointer): void;
  /** the same for the products of x and z */
  dotChunks(x: Pointer, z: Pointer, n: number, chunk: number, firstChunk: number, chunks: number, y: Pointer): void;
  /** y[0] = min(1, maxNorm / (√(Σ partials) + 1e-6)), torch's clip_grad_norm_; partials are summed in f64, in order */
  clipScale(partials: Pointer, count: number, maxNorm: number, y: Pointer): void;
  /** y = x·s[0] */
  scaleBy(x: Pointer, s: Pointer, y: Pointer, n: number): void;
  /** y = min(max(x, −limit), limit); NaN stays NaN */
  clipValue(x: Pointer, y: Pointer, n: number, limit: number): void;
}
