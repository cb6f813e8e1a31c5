import type { Kernels, Pointer } from '../abi.ts';
import { geluErfOf, geluErfSlopeOf, geluTanhOf, geluTanhSlopeOf, sigmoidOf } from './scalar.ts';
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
  | 'clipValue'
  | 'relu'
  | 'leakyRelu'
  | 'sigmoid'
  | 'tanh'
  | 'geluErf'
  | 'geluTanh'
  | 'exp'
  | 'log'
  | 'reluGrad'
  | 'leakyReluGrad'
  | 'sigmoidGrad'
  | 'tanhGrad'
  | 'geluErfGrad'
  | 'geluTanhGrad';

export function createElementwise({ f32 }: Views): Pick<Kernels, ElementwiseName> {
  /** y[i] = f(x[i]), rounded to f32 by the store */
  function map(x: Pointer, y: Pointer, n: number, f: (x: number) => number): void {
    for (let i = 0; i < n; i++) f32[at(y) + i] = f(f32[at(x) + i]);
  }

  function zip(a: Pointer, b: Pointer, y: Pointer, n: number, f: (a: number, b: number) => number): void {
    for (let i = 0; i < n; i++) f32[at(y) + i] = f(f32[at(a) + i], f32[at(b) + i]);
  }

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

    relu: (x, y, n) => map(x, y, n, (x) => Math.max(x, 0)),
    leakyRelu: (x, y, n, alpha) => map(x, y, n, (x) => (x < 0 ? x * Math.fround(alpha) : x)),
    sigmoid: (x, y, n) => map(x, y, n, sigmoidOf),
    tanh: (x, y, n) => map(x, y, n, Math.tanh),
    geluErf: (x, y, n) => map(x, y, n, geluErfOf),
    geluTanh: (x, y, n) => map(x, y, n, geluTanhOf),
    exp: (x, y, n) => map(x, y, n, Math.exp),
    log: (x, y, n) => map(x, y, n, Math.log),

    reluGrad: (dy, y, dx, n) => zip(dy, y, dx, n, (dy, y) => (y <= 0 ? 0 : dy)),
    leakyReluGrad: (dy, y, dx, n, alpha) => zip(dy, y, dx, n, (dy, y) => (y <= 0 ? dy * Math.fround(alpha) : dy)),
    sigmoidGrad: (dy, y, dx, n) => zip(dy, y, dx, n, (dy, y) => dy * y * (1 - y)),
    tanhGrad: (dy, y, dx, n) => zip(dy, y, dx, n, (dy, y) => dy * (1 - y * y)),
    geluErfGrad: (dy, x, dx, n) => zip(dy, x, dx, n, (dy, x) => dy * geluErfSlopeOf(x)),
    geluTanhGrad: (dy, x, dx, n) => zip(dy, x, dx, n, (dy, x) => dy * geluTanhSlopeOf(x)),
  };
}
