import type { Kernels, Pointer } from '../abi.ts';
import { at, type Views } from './views.ts';

export function createEmbedding({ f32 }: Views): Pick<Kernels, 'embed' | 'storeRows' | 'embedGrad'> {
  /** −1 for what is no index */
  function indexAt(ids: Pointer, i: number, size: number): number {
    const id = f32[at(ids) + i]!;
    return id >= 0 && id < size ? Math.floor(id) : -1;
  }

  return {
    embed(ids, table, y, n, size, cols) {
      for (let i = 0; i < n; i++) {
        const id = indexAt(ids, i, size);
        for (let j = 0; j < cols; j++)
          f32[at(y) + i * cols + j] = id < 0 ? Number.NaN : f32[at(table) + id * cols + j]!;
      }
    },
    storeRows(ids, x, table, n, size, cols) {
      for (let i = 0; i < n; i++) {
        const id = indexAt(ids, i, size);
        if (id >= 0) f32.copyWithin(at(table) + id * cols, at(x) + i * cols, at(x) + (i + 1) * cols);
      }
    },
    embedGrad(ids, dy, dtable, n, first, rows, cols) {
      f32.fill(0, at(dtable), at(dtable) + rows * cols);
      for (let i = 0; i < n; i++) {
        const row = indexAt(ids, i, first + rows) - first;
        if (row < 0) continue;
        for (let j = 0; j < cols; j++) f32[at(dtable) + row * cols + j]! += f32[at(dy) + i * cols + j]!;
      }
    },
  };
}
