import type { Kernels } from '../abi.ts';
import { createLoops } from './loops.ts';
import { at, type Views } from './views.ts';

type ElementwiseName =
  | 'fill'
  | 'copy'
  | 'copyColumns'
  | 'add'
  | 'sub'
  | 'mul'
  | 'affine'
  | 'atLeast'
  | 'addBias'
  | 'mulRows'
  | 'scaleBy'
  | 'clipValue';

export function createElementwise({ f32 }: Views): Pick<Kernels, ElementwiseName> {
  const { map, zip } = createLoops(f32);
  return {
    fill(y, n, value) {
      for (let i = 0; i < n; i++) f32[at(y) + i] = value;
    },
    copy: (x, y, n) => map(x, y, n, (x) => x),
    atLeast: (x, y, n, limit) => map(x, y, n, (x) => (x >= Math.fround(limit) ? 1 : 0)),
    copyColumns(x, ldx, y, ldy, rows, cols) {
      for (let r = 0; r < rows; r++) for (let j = 0; j < cols; j++) f32[at(y) + r * ldy + j] = f32[at(x) + r * ldx + j];
    },
    add: (a, b, y, n) => zip(a, b, y, n, (a, b) => a + b),
    sub: (a, b, y, n) => zip(a, b, y, n, (a, b) => a - b),
    mul: (a, b, y, n) => zip(a, b, y, n, (a, b) => a * b),
    affine: (x, y, n, scale, shift) => map(x, y, n, (x) => Math.fround(scale) * x + Math.fround(shift)),
    addBias(x, bias, y, rows, cols) {
      for (let r = 0; r < rows; r++) {
        for (let j = 0; j < cols; j++) f32[at(y) + r * cols + j] = f32[at(x) + r * cols + j] + f32[at(bias) + j];
      }
    },
    mulRows(x, s, y, rows, cols) {
      for (let r = 0; r < rows; r++) {
        for (let j = 0; j < cols; j++) f32[at(y) + r * cols + j] = f32[at(x) + r * cols + j] * f32[at(s) + r];
      }
    },
    scaleBy: (x, s, y, n) => map(x, y, n, (x) => x * f32[at(s)]),
    clipValue: (x, y, n, limit) => map(x, y, n, (x) => Math.max(Math.min(x, limit), -limit)),
  };
}
