// Loops over n floats that many kernels share.
//
// What happens to four lanes is said by a class without fields, which is known at compile time and whose code is inlined: so each kernel is the loop
// that one would have written by hand. `c` is a constant of the whole loop; a class that needs none pays nothing for it.
//   of(x, c)       for `map`
//   of2(a, b, c)   for `zip`

import { loadPart, storePart } from './lanes';

/** y = F(x); x and y may be the same */
// @ts-ignore: decorator
@inline
export function map<F>(x: usize, y: usize, n: u32, c: v128 = f32x4.splat(0)): void {
  const f = changetype<F>(0);
  if (n >= 8) {
    do {
      const x0 = v128.load(x);
      const x1 = v128.load(x, 16);
      const y0 = f.of(x0, c);
      const y1 = f.of(x1, c);
      v128.store(y, y0);
      v128.store(y, y1, 16);
      x += 32;
      y += 32;
      n -= 8;
    } while (n >= 8);
  }
  while (n > 0) {
    const part = min<u32>(n, 4);
    storePart(y, f.of(loadPart(x, part), c), part);
    x += 16;
    y += 16;
    n -= part;
  }
}

/** y = F(a, b); y may be either of them */
// @ts-ignore: decorator
@inline
export function zip<F>(a: usize, b: usize, y: usize, n: u32, c: v128 = f32x4.splat(0)): void {
  const f = changetype<F>(0);
  if (n >= 8) {
    do {
      const a0 = v128.load(a);
      const a1 = v128.load(a, 16);
      const b0 = v128.load(b);
      const b1 = v128.load(b, 16);
      const y0 = f.of2(a0, b0, c);
      const y1 = f.of2(a1, b1, c);
      v128.store(y, y0);
      v128.store(y, y1, 16);
      a += 32;
      b += 32;
      y += 32;
      n -= 8;
    } while (n >= 8);
  }
  while (n > 0) {
    const part = min<u32>(n, 4);
    storePart(y, f.of2(loadPart(a, part), loadPart(b, part), c), part);
    a += 16;
    b += 16;
    y += 16;
    n -= part;
  }
}
