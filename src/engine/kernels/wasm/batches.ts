// What a step reads first and reports last: rows gathered by the shuffled order, means over the batch.
// `step` points at a StepBlock (see abi.ts): word 0 rows, 1 first, 4 inverseRows, 5 inverseWeight (f32).

import { copy, fill } from './elementwise';
import { fma } from './lanes';

/** y (rows, cols) = cols values from table[order[step.first + firstRow + r] · stride] on */
export function gatherRows(
  table: usize,
  order: usize,
  y: usize,
  firstRow: u32,
  rows: u32,
  cols: u32,
  stride: u32,
  step: usize,
): void {
  order += <usize>(load<u32>(step, 4) + firstRow) << 2;
  for (let r: u32 = 0; r < rows; r++) {
    copy(table + ((<usize>load<u32>(order) * stride) << 2), y, cols);
    order += 4;
    y += <usize>cols << 2;
  }
}

/** y (rows, cols) = scale·table[…] + shift, table of bytes */
export function gatherRowsU8(
  table: usize,
  order: usize,
  y: usize,
  firstRow: u32,
  rows: u32,
  cols: u32,
  stride: u32,
  scale: f32,
  shift: f32,
  step: usize,
): void {
  order += <usize>(load<u32>(step, 4) + firstRow) << 2;
  const factor = f32x4.splat(scale);
  const offset = f32x4.splat(shift);
  for (let r: u32 = 0; r < rows; r++) {
    let x = table + <usize>load<u32>(order) * stride;
    let n = cols;
    for (; n >= 8; n -= 8) {
      const words = v128.load_ext<u8>(x);
      const y0 = fma(f32x4.convert_i32x4_u(i32x4.extend_low_i16x8_u(words)), factor, offset);
      const y1 = fma(f32x4.convert_i32x4_u(i32x4.extend_high_i16x8_u(words)), factor, offset);
      v128.store(y, y0);
      v128.store(y, y1, 16);
      x += 8;
      y += 32;
    }
    for (; n > 0; n--) {
      v128.store_lane<f32>(y, fma(f32x4.splat(<f32>load<u8>(x)), factor, offset), 0);
      x += 1;
      y += 4;
    }
    order += 4;
  }
}

/** y (n) = the f32 that is word `word` of the step block */
export function fillFromStep(y: usize, n: u32, step: usize, word: u32): void {
  fill(y, n, load<f32>(step + (<usize>word << 2)));
}

/** y[0] = step.inverseWeight · Σ x (step.rows), summed in f64 in ascending order */
export function meanRows(x: usize, y: usize, step: usize): void {
  const rows = load<u32>(step);
  let sum: f64 = 0;
  for (let i: u32 = 0; i < rows; i++) {
    sum += <f64>load<f32>(x);
    x += 4;
  }
  store<f32>(y, <f32>(sum * <f64>load<f32>(step, 20)));
}
