// Element-wise arithmetic. x, y, a, b: n floats.

import { fma, loadPart, storePart } from './lanes';
import { map, zip } from './loops';

export function fill(y: usize, n: u32, value: f32): void {
  const v = f32x4.splat(value);
  for (; n >= 8; n -= 8) {
    v128.store(y, v);
    v128.store(y, v, 16);
    y += 32;
  }
  while (n > 0) {
    const part = min<u32>(n, 4);
    storePart(y, v, part);
    y += 16;
    n -= part;
  }
}

export function copy(x: usize, y: usize, n: u32): void {
  for (; n >= 8; n -= 8) {
    const x0 = v128.load(x);
    const x1 = v128.load(x, 16);
    v128.store(y, x0);
    v128.store(y, x1, 16);
    x += 32;
    y += 32;
  }
  while (n > 0) {
    const part = min<u32>(n, 4);
    storePart(y, loadPart(x, part), part);
    x += 16;
    y += 16;
    n -= part;
  }
}

/** y = x, or zeros where there is no x */
// @ts-ignore: decorator
@inline
export function copyOrZero(x: usize, y: usize, n: u32): void {
  if (x) copy(x, y, n);
  else fill(y, n, 0);
}

export function copyColumns(x: usize, ldx: u32, y: usize, ldy: u32, rows: u32, cols: u32): void {
  for (; rows > 0; rows--) {
    copy(x, y, cols);
    x += <usize>ldx << 2;
    y += <usize>ldy << 2;
  }
}

/** y[Σ iₖ·yₖ] = x[Σ iₖ·xₖ]; distances in elements */
export function copyStrided(
  x: usize,
  y: usize,
  n0: u32,
  n1: u32,
  n2: u32,
  n3: u32,
  x0: u32,
  x1: u32,
  x2: u32,
  x3: u32,
  y0: u32,
  y1: u32,
  y2: u32,
  y3: u32,
): void {
  const stepX = <usize>x3 << 2;
  const stepY = <usize>y3 << 2;
  for (let i0: u32 = 0; i0 < n0; i0++) {
    for (let i1: u32 = 0; i1 < n1; i1++) {
      for (let i2: u32 = 0; i2 < n2; i2++) {
        let from = x + (<usize>(i0 * x0 + i1 * x1 + i2 * x2) << 2);
        let to = y + (<usize>(i0 * y0 + i1 * y1 + i2 * y2) << 2);
        if (x3 == 1 && y3 == 1) {
          copy(from, to, n3);
          continue;
        }
        for (let i3: u32 = 0; i3 < n3; i3++) {
          store<f32>(to, load<f32>(from));
          from += stepX;
          to += stepY;
        }
      }
    }
  }
}

@unmanaged
class Add {
  @inline of2(a: v128, b: v128, _: v128): v128 { return f32x4.add(a, b); }
}

@unmanaged
class Sub {
  @inline of2(a: v128, b: v128, _: v128): v128 { return f32x4.sub(a, b); }
}

@unmanaged
class Mul {
  @inline of2(a: v128, b: v128, _: v128): v128 { return f32x4.mul(a, b); }
}

@unmanaged
class AddScaled {
  @inline of2(x: v128, y: v128, a: v128): v128 { return fma(a, x, y); }
}

@unmanaged
class Scale {
  @inline of(x: v128, factor: v128): v128 { return f32x4.mul(x, factor); }
}

@unmanaged
class AtLeast {
  @inline of(x: v128, limit: v128): v128 { return v128.and(f32x4.ge(x, limit), f32x4.splat(1)); }
}

@unmanaged
class Differs {
  @inline of(x: v128, value: v128): v128 { return v128.and(f32x4.ne(x, value), f32x4.splat(1)); }
}

@unmanaged
class Reciprocal {
  @inline of(x: v128, _: v128): v128 { return v128.and(f32x4.div(f32x4.splat(1), x), f32x4.ne(x, f32x4.splat(0))); }
}

/** pmin and pmax keep their first operand when it is NaN */
@unmanaged
class Clip {
  @inline of(x: v128, limit: v128): v128 { return f32x4.pmax(f32x4.pmin(x, limit), f32x4.neg(limit)); }
}

export function add(a: usize, b: usize, y: usize, n: u32): void { zip<Add>(a, b, y, n); }
export function sub(a: usize, b: usize, y: usize, n: u32): void { zip<Sub>(a, b, y, n); }
export function mul(a: usize, b: usize, y: usize, n: u32): void { zip<Mul>(a, b, y, n); }
/** y += a·x */
export function addScaled(x: usize, y: usize, n: u32, a: f64): void { zip<AddScaled>(x, y, y, n, f32x4.splat(<f32>a)); }
/** y = x·factor */
// @ts-ignore: decorator
@inline
export function scale(x: usize, y: usize, n: u32, factor: f32): void { map<Scale>(x, y, n, f32x4.splat(factor)); }
/** y = x·s[0] */
export function scaleBy(x: usize, s: usize, y: usize, n: u32): void { scale(x, y, n, load<f32>(s)); }
/** y = 1 where x ≥ limit, else 0 */
export function atLeast(x: usize, y: usize, n: u32, limit: f32): void { map<AtLeast>(x, y, n, f32x4.splat(limit)); }
/** y = 1 where x is not `value`, else 0 */
export function differs(x: usize, y: usize, n: u32, value: f32): void { map<Differs>(x, y, n, f32x4.splat(value)); }
/** y = 1/x, 0 where x is 0 */
export function reciprocal(x: usize, y: usize, n: u32): void { map<Reciprocal>(x, y, n); }
/** min(max(x, −limit), limit) */
export function clipValue(x: usize, y: usize, n: u32, limit: f32): void { map<Clip>(x, y, n, f32x4.splat(limit)); }

/** y = scale·x + shift */
export function affine(x: usize, y: usize, n: u32, scale: f32, shift: f32): void {
  const factor = f32x4.splat(scale);
  const offset = f32x4.splat(shift);
  for (; n >= 8; n -= 8) {
    const x0 = v128.load(x);
    const x1 = v128.load(x, 16);
    const y0 = fma(x0, factor, offset);
    const y1 = fma(x1, factor, offset);
    v128.store(y, y0);
    v128.store(y, y1, 16);
    x += 32;
    y += 32;
  }
  while (n > 0) {
    const part = min<u32>(n, 4);
    storePart(y, fma(loadPart(x, part), factor, offset), part);
    x += 16;
    y += 16;
    n -= part;
  }
}

/** y (rows, cols) = x (rows, cols) · s (rows) */
export function mulRows(x: usize, s: usize, y: usize, rows: u32, cols: u32): void {
  for (let r: u32 = 0; r < rows; r++) {
    scale(x, y, cols, load<f32>(s));
    x += <usize>cols << 2;
    y += <usize>cols << 2;
    s += 4;
  }
}

/** y (rows, cols) = x (rows, cols), or `otherwise` in a row whose mask (rows) is 0 */
export function keepRows(x: usize, mask: usize, y: usize, rows: u32, cols: u32, otherwise: f32): void {
  for (let r: u32 = 0; r < rows; r++) {
    if (load<f32>(mask) != 0) copy(x, y, cols);
    else fill(y, cols, otherwise);
    x += <usize>cols << 2;
    y += <usize>cols << 2;
    mask += 4;
  }
}

/** y (rows, positions, channels) = x (rows, positions, channels) · s (rows, channels) */
export function mulChannels(x: usize, s: usize, y: usize, rows: u32, positions: u32, channels: u32): void {
  const vector = <usize>channels << 2;
  for (; rows > 0; rows--) {
    for (let i: u32 = 0; i < positions; i++) {
      mul(x, s, y, channels);
      x += vector;
      y += vector;
    }
    s += vector;
  }
}

/** y (rows, cols) = x (rows, cols) + bias (cols) */
export function addBias(x: usize, bias: usize, y: usize, rows: u32, cols: u32): void {
  for (let r: u32 = 0; r < rows; r++) {
    add(x, bias, y, cols);
    x += <usize>cols << 2;
    y += <usize>cols << 2;
  }
}
