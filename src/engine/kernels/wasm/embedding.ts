// Rows of a table by index. Indices come as floats (they are columns of the features), exact up to 2²⁴.

import { add, copy, fill } from './elementwise';

/** The row an index means, or `size` where it means none: negative, beyond the table, NaN. */
// @ts-ignore: decorator
@inline
function indexAt(ids: usize, size: u32): u32 {
  const id = load<f32>(ids);
  return id >= 0 && id < <f32>size ? <u32>id : size;
}

export function embed(ids: usize, table: usize, y: usize, n: u32, size: u32, cols: u32): void {
  for (; n > 0; n--) {
    const id = indexAt(ids, size);
    if (id < size) copy(table + ((<usize>id * <usize>cols) << 2), y, cols);
    else fill(y, cols, NaN);
    ids += 4;
    y += <usize>cols << 2;
  }
}

export function storeRows(ids: usize, x: usize, table: usize, n: u32, size: u32, cols: u32): void {
  for (; n > 0; n--) {
    const id = indexAt(ids, size);
    if (id < size) copy(x, table + ((<usize>id * <usize>cols) << 2), cols);
    ids += 4;
    x += <usize>cols << 2;
  }
}

export function embedGrad(ids: usize, dy: usize, dtable: usize, n: u32, first: u32, rows: u32, cols: u32): void {
  fill(dtable, rows * cols, 0);
  for (; n > 0; n--) {
    const row = indexAt(ids, first + rows) - first;
    // below `first` it has wrapped round
    if (row < rows) {
      const at = dtable + ((<usize>row * <usize>cols) << 2);
      add(at, dy, at, cols);
    }
    ids += 4;
    dy += <usize>cols << 2;
  }
}
