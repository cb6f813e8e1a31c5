import { type Kernels, StepBlock } from '../abi.ts';
import { at, type Views } from './views.ts';

type ReductionName =
  | 'columnSum'
  | 'notFinite'
  | 'sumSquaresChunks'
  | 'dotChunks'
  | 'clipScale'
  | 'gatherRows'
  | 'gatherRowsU8'
  | 'fillFromStep'
  | 'meanRows';

export function createReductions({ f32, u32, u8 }: Views): Pick<Kernels, ReductionName> {
  return {
    columnSum(x, ldx, y, rows, cols) {
      for (let j = 0; j < cols; j++) {
        let sum = 0;
        for (let r = 0; r < rows; r++) sum = Math.fround(sum + f32[at(x) + r * ldx + j]);
        f32[at(y) + j] = sum;
      }
    },
    notFinite(x, y, rows, cols) {
      for (let r = 0; r < rows; r++) {
        let sum = 0;
        for (let j = 0; j < cols; j++) sum += f32[at(x) + r * cols + j] * 0;
        f32[at(y) + r] = sum;
      }
    },
    sumSquaresChunks(x, n, chunk, firstChunk, chunks, y) {
      for (let i = firstChunk; i < firstChunk + chunks; i++) {
        let sum = 0;
        for (let e = i * chunk; e < Math.min(n, (i + 1) * chunk); e++) sum += f32[at(x) + e] ** 2;
        f32[at(y) + i] = sum;
      }
    },
    dotChunks(x, z, n, chunk, firstChunk, chunks, y) {
      for (let i = firstChunk; i < firstChunk + chunks; i++) {
        let sum = 0;
        for (let e = i * chunk; e < Math.min(n, (i + 1) * chunk); e++) sum += f32[at(x) + e] * f32[at(z) + e];
        f32[at(y) + i] = sum;
      }
    },
    clipScale(partials, count, maxNorm, y) {
      let sum = 0;
      for (let i = 0; i < count; i++) sum += f32[at(partials) + i];
      f32[at(y)] = Math.min(1, Math.fround(maxNorm) / (Math.sqrt(sum) + 1e-6));
    },

    gatherRows(table, order, y, firstRow, rows, cols, stride, step) {
      const first = u32[at(step) + StepBlock.first] + firstRow;
      for (let r = 0; r < rows; r++) {
        const row = at(table) + u32[at(order) + first + r] * stride;
        for (let j = 0; j < cols; j++) f32[at(y) + r * cols + j] = f32[row + j];
      }
    },
    gatherRowsU8(table, order, y, firstRow, rows, cols, stride, scale, shift, step) {
      const first = u32[at(step) + StepBlock.first] + firstRow;
      for (let r = 0; r < rows; r++) {
        const row = (table >>> 0) + u32[at(order) + first + r] * stride;
        for (let j = 0; j < cols; j++) {
          f32[at(y) + r * cols + j] = Math.fround(scale) * u8[row + j] + Math.fround(shift);
        }
      }
    },
    fillFromStep(y, n, step, word) {
      for (let i = 0; i < n; i++) f32[at(y) + i] = f32[at(step) + word];
    },
    meanRows(x, y, step) {
      let sum = 0;
      for (let r = 0; r < u32[at(step) + StepBlock.rows]; r++) sum += f32[at(x) + r];
      f32[at(y)] = sum * f32[at(step) + StepBlock.inverseWeight];
    },
  };
}
