// How products are cut into blocks, and where these lie in the scratch.

import { packB, packBTransposed } from './gemm-pack';

// A packed panel of B (16 KiB) and of A (6 KiB) stay in the first-level cache; their blocks (512 and 264 KiB) in the second.
// Blocks of 192, 320 and 384 along k, and groups of 8 panels, gave the same times within 3 %.
// @ts-ignore: decorator
@inline export const KC: u32 = 256;
// @ts-ignore: decorator
@inline export const NC: u32 = 512;
// of a transposed A, in tiles of 6 rows, and of one whose rows are read where they lie, in tiles of 5
// @ts-ignore: decorator
@inline export const MC: u32 = 264;
// @ts-ignore: decorator
@inline export const MC_ROWS: u32 = 260;
// @ts-ignore: decorator
@inline export const GROUP: u32 = 64;
// Scratch: packed B (512 KiB) at 0, packed A (264 KiB) and the temporary tile (384 B) behind.
// @ts-ignore: decorator
@inline export const SCRATCH_A: usize = 524288;
// @ts-ignore: decorator
@inline export const SCRATCH_TILE: usize = 794624;

// bits of flags
// @ts-ignore: decorator
@inline export const TRANSPOSE_A: u32 = 1;
// @ts-ignore: decorator
@inline export const TRANSPOSE_B: u32 = 2;
// @ts-ignore: decorator
@inline export const ACCUMULATE: u32 = 4;
// @ts-ignore: decorator
@inline export const BIAS: u32 = 8;
// @ts-ignore: decorator
@inline export const PACKED_B: u32 = 16;

/** The n columns of op(B) from `column` on, kc rows of them from pc on, into panels */
// @ts-ignore: decorator
@inline
export function packColumns(flags: u32, b: usize, pitch: usize, column: u32, pc: u32, kc: u32, n: u32, to: usize): void {
  if (flags & TRANSPOSE_B) packBTransposed(b + <usize>column * pitch + (<usize>pc << 2), pitch, kc, n, to);
  else packB(b + <usize>pc * pitch + (<usize>column << 2), pitch, kc, n, to);
}

/** The panel of B at `column`, a multiple of 16, and its rows from pc on: packed is [block of KC][panel][p][16]. */
// @ts-ignore: decorator
@inline
export function panelAt(packed: usize, n: u32, pc: u32, kc: u32, column: u32): usize {
  const padded = (n + 15) & ~15;
  return packed + ((<usize>pc * <usize>padded + <usize>column * <usize>kc) << 2);
}
