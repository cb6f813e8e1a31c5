import type { Kernels } from '../abi.ts';
import { createLoops } from './loops.ts';
import { at, type Views } from './views.ts';

type ElementwiseName =
  | 'fill'
  | 'copy'
  | 'copyColumns'
  | 'copyStrided'
  | 'add'
  | 'sub'
  | 'mul'
  | 'affine'
  | 'atLeast'
  | 'differs'
  | 'reciprocal'
  | 'addScaled'
  | 'addBias'
  | 'mulRows'
  | 'keepRows'
  | 'mulChannels'
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
    copyStrided(x, y, n0, n1, n2, n3, x0, x1, x2, x3, y0, y1, y2, y3) {
      for (let i = 0; i < n0; i++) {
        for (let j = 0; j < n1; j++) {
          for (let k = 0; k < n2; k++) {
            for (let l = 0; l < n3; l++) {
              f32[at(y) + i * y0 + j * y1 + k * y2 + l * y3] = f32[at(x) + i * x0 + j * x1 + k * x2 + l * x3];
            }
          }
        }
      }
    },
    add: (a, b, y, n) => zip(a, b, y, n, (a, b) => a + b),
    sub: (a, b, y, n) => zip(a, b, y, n, (a, b) => a - b),
    mul: (a, b, y, n) => zip(a, b, y, n, (a, b) => a * b),
    affine: (x, y, n, scale, shift) => map(x, y, n, (x) => Math.fround(scale) * x + Math.fround(shift)),
    differs: (x, y, n, value) => map(x, y, n, (x) => (x !== Math.fround(value) ? 1 : 0)),
    reciprocal: (x, y, n) => map(x, y, n, (x) => (x === 0 ? 0 : 1 / x)),
    addScaled(x, y, n, a) {
      for (let i = 0; i < n; i++) f32[at(y) + i] += Math.fround(a) * f32[at(x) + i];
    },
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
    keepRows(x, mask, y, rows, cols, otherwise) {
      for (let r = 0; r < rows; r++) {
        const counts = f32[at(mask) + r] !== 0;
        for (let j = 0; j < cols; j++) f32[at(y) + r * cols + j] = counts ? f32[at(x) + r * cols + j] : otherwise;
      }
    },
    mulChannels(x, s, y, rows, positions, channels) {
      for (let i = 0; i < rows * positions * channels; i++) {
        const row = Math.floor(i / (positions * channels));
        f32[at(y) + i] = f32[at(x) + i] * f32[at(s) + row * channels + (i % channels)];
      }
    },
    scaleBy: (x, s, y, n) => map(x, y, n, (x) => x * f32[at(s)]),
    clipValue: (x, y, n, limit) => map(x, y, n, (x) => Math.max(Math.min(x, limit), -limit)),
  };
}
