import type { Pointer } from '../abi.ts';
import { at, type Views } from './views.ts';

/** Loops over n elements; the store rounds to f32. */
export function createLoops(f32: Views['f32']) {
  return {
    /** y[i] = f(x[i]) */
    map(x: Pointer, y: Pointer, n: number, f: (x: number) => number): void {
      for (let i = 0; i < n; i++) f32[at(y) + i] = f(f32[at(x) + i]);
    },

    /** y[i] = f(a[i], b[i]) */
    zip(a: Pointer, b: Pointer, y: Pointer, n: number, f: (a: number, b: number) => number): void {
      for (let i = 0; i < n; i++) f32[at(y) + i] = f(f32[at(a) + i], f32[at(b) + i]);
    },
  };
}
