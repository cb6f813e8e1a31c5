// Rows of A times one panel of 16 columns of B, tile by tile, and what happens to such a panel of C once its sums are complete.

import { activateInPlace } from './activations';
import { SCRATCH_A, SCRATCH_TILE } from './gemm-blocks';
import { packATransposed } from './gemm-pack';
// written by scripts/write-gemm-tiles.ts
import { tileColumns, tileRows } from './gemm-tiles';
import { loadPart, storePart } from './lanes';

/** C (+)= the first rows × cols of the temporary tile (5 or 6, 16) */
function mergeTile(tile: usize, c: usize, pitch: usize, rows: u32, cols: u32, accumulate: u32): void {
  for (; rows > 0; rows--) {
    for (let j: u32 = 0; j < cols; j += 4) {
      const part = min<u32>(cols - j, 4);
      const at = c + (<usize>j << 2);
      let value = v128.load(tile + (<usize>j << 2));
      if (accumulate) value = f32x4.add(loadPart(at, part), value);
      storePart(at, value, part);
    }
    tile += 64;
    c += pitch;
  }
}

/** c (rows, cols ≤ 16) += bias (cols) unless it is 0, then relu (activation 1) or leaky relu (2) with slope alpha */
export function finishPanel(c: usize, pitch: usize, rows: u32, cols: u32, bias: usize, activation: u32, alpha: f32): void {
  const zero = f32x4.splat(0);
  const slope = f32x4.splat(alpha);
  if (cols == 16) {
    const b0 = bias ? v128.load(bias) : zero;
    const b1 = bias ? v128.load(bias, 16) : zero;
    const b2 = bias ? v128.load(bias, 32) : zero;
    const b3 = bias ? v128.load(bias, 48) : zero;
    if (activation == 1) {
      for (; rows > 0; rows--) {
        const c0 = v128.load(c);
        const c1 = v128.load(c, 16);
        const c2 = v128.load(c, 32);
        const c3 = v128.load(c, 48);
        v128.store(c, f32x4.pmax(f32x4.add(c0, b0), zero));
        v128.store(c, f32x4.pmax(f32x4.add(c1, b1), zero), 16);
        v128.store(c, f32x4.pmax(f32x4.add(c2, b2), zero), 32);
        v128.store(c, f32x4.pmax(f32x4.add(c3, b3), zero), 48);
        c += pitch;
      }
      return;
    }
    if (activation != 2) {
      for (; rows > 0; rows--) {
        const c0 = v128.load(c);
        const c1 = v128.load(c, 16);
        const c2 = v128.load(c, 32);
        const c3 = v128.load(c, 48);
        v128.store(c, f32x4.add(c0, b0));
        v128.store(c, f32x4.add(c1, b1), 16);
        v128.store(c, f32x4.add(c2, b2), 32);
        v128.store(c, f32x4.add(c3, b3), 48);
        c += pitch;
      }
      return;
    }
  }
  for (; rows > 0; rows--) {
    for (let j: u32 = 0; j < cols; j += 4) {
      const part = min<u32>(cols - j, 4);
      const at = c + (<usize>j << 2);
      let value = loadPart(at, part);
      value = f32x4.add(value, bias ? loadPart(bias + (<usize>j << 2), part) : zero);
      if (activation == 1) value = f32x4.pmax(value, zero);
      if (activation == 2) value = v128.bitselect(f32x4.mul(value, slope), value, f32x4.lt(value, zero));
      storePart(at, value, part);
    }
    c += pitch;
  }
}

/** The activations that cost more than a few instructions, over whole rows of C once it is complete. */
export function activateRows(c: usize, pitch: usize, rows: u32, cols: u32, activation: u32, alpha: f32): void {
  for (; rows > 0; rows--) {
    activateInPlace(c, cols, activation, alpha);
    c += pitch;
  }
}

/** A (rows, kc) · one panel of B (kc, cols ≤ 16) into C, by tiles of five rows */
export function rowsTimesPanel(
  a: usize,
  pitchA: usize,
  rows: u32,
  kc: u32,
  panelB: usize,
  c: usize,
  pitchC: usize,
  cols: u32,
  accumulate: u32,
  tile: usize,
): void {
  for (; rows > 0; ) {
    const part = min<u32>(rows, 5);
    const whole = part == 5 && cols == 16;
    const a1 = part > 1 ? a + pitchA : a;
    const a2 = part > 2 ? a1 + pitchA : a1;
    const a3 = part > 3 ? a2 + pitchA : a2;
    const a4 = part > 4 ? a3 + pitchA : a3;
    tileRows(kc, a, a1, a2, a3, a4, panelB, whole ? c : tile, whole ? pitchC : 64, whole ? accumulate : 0);
    if (!whole) mergeTile(tile, c, pitchC, part, cols, accumulate);
    a += 5 * pitchA;
    c += 5 * pitchC;
    rows -= part;
  }
}

/** op(A) (mc, kc) · one panel of B into C for a transposed A: from its packed panels, or where it lies (packed: 0) */
// @ts-ignore: decorator
@inline
export function columnsTimesPanel(
  a: usize,
  pitchA: usize,
  packed: usize,
  mc: u32,
  kc: u32,
  panelB: usize,
  c: usize,
  pitchC: usize,
  cols: u32,
  accumulate: u32,
  scratch: usize,
): void {
  const tile = scratch + SCRATCH_TILE;
  for (let ir: u32 = 0; ir < mc; ir += 6) {
    const rows = min<u32>(mc - ir, 6);
    const at = c + <usize>ir * pitchC;
    const whole = rows == 6 && cols == 16;
    let columns = packed ? packed + <usize>ir * <usize>(kc << 2) : a + (<usize>ir << 2);
    let stride: usize = packed ? 24 : pitchA;
    if (!packed && rows < 6) {
      packATransposed(columns, pitchA, kc, rows, scratch + SCRATCH_A);
      columns = scratch + SCRATCH_A;
      stride = 24;
    }
    tileColumns(kc, columns, stride, panelB, whole ? at : tile, whole ? pitchC : 64, whole ? accumulate : 0);
    if (!whole) mergeTile(tile, at, pitchC, rows, cols, accumulate);
  }
}
