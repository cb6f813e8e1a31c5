// Activation functions and their gradients, element-wise; n floats. Gradients: dx = dy · f'.

import { loadPart, storePart } from './lanes';
import { exp4, geluErf4, geluErfSlope4, geluTanh4, geluTanhSlope4, log4, sigmoid4, tanh4 } from './math';

/** pmax keeps NaN, which stands first */
export function relu(x: usize, y: usize, n: u32): void {
  const zero = f32x4.splat(0);
  for (; n >= 8; n -= 8) {
    const x0 = v128.load(x);
    const x1 = v128.load(x, 16);
    const y0 = f32x4.pmax(x0, zero);
    const y1 = f32x4.pmax(x1, zero);
    v128.store(y, y0);
    v128.store(y, y1, 16);
    x += 32;
    y += 32;
  }
  while (n > 0) {
    const part = min<u32>(n, 4);
    storePart(y, f32x4.pmax(loadPart(x, part), zero), part);
    x += 16;
    y += 16;
    n -= part;
  }
}

export function leakyRelu(x: usize, y: usize, n: u32, alpha: f32): void {
  const zero = f32x4.splat(0);
  const slope = f32x4.splat(alpha);
  for (; n >= 8; n -= 8) {
    const x0 = v128.load(x);
    const x1 = v128.load(x, 16);
    const y0 = v128.bitselect(f32x4.mul(x0, slope), x0, f32x4.lt(x0, zero));
    const y1 = v128.bitselect(f32x4.mul(x1, slope), x1, f32x4.lt(x1, zero));
    v128.store(y, y0);
    v128.store(y, y1, 16);
    x += 32;
    y += 32;
  }
  while (n > 0) {
    const part = min<u32>(n, 4);
    const v = loadPart(x, part);
    storePart(y, v128.bitselect(f32x4.mul(v, slope), v, f32x4.lt(v, zero)), part);
    x += 16;
    y += 16;
    n -= part;
  }
}

export function sigmoid(x: usize, y: usize, n: u32): void {
  for (; n >= 8; n -= 8) {
    const x0 = v128.load(x);
    const x1 = v128.load(x, 16);
    const y0 = sigmoid4(x0);
    const y1 = sigmoid4(x1);
    v128.store(y, y0);
    v128.store(y, y1, 16);
    x += 32;
    y += 32;
  }
  while (n > 0) {
    const part = min<u32>(n, 4);
    storePart(y, sigmoid4(loadPart(x, part)), part);
    x += 16;
    y += 16;
    n -= part;
  }
}

export function tanh(x: usize, y: usize, n: u32): void {
  for (; n >= 8; n -= 8) {
    const x0 = v128.load(x);
    const x1 = v128.load(x, 16);
    const y0 = tanh4(x0);
    const y1 = tanh4(x1);
    v128.store(y, y0);
    v128.store(y, y1, 16);
    x += 32;
    y += 32;
  }
  while (n > 0) {
    const part = min<u32>(n, 4);
    storePart(y, tanh4(loadPart(x, part)), part);
    x += 16;
    y += 16;
    n -= part;
  }
}

export function geluErf(x: usize, y: usize, n: u32): void {
  for (; n >= 8; n -= 8) {
    const x0 = v128.load(x);
    const x1 = v128.load(x, 16);
    const y0 = geluErf4(x0);
    const y1 = geluErf4(x1);
    v128.store(y, y0);
    v128.store(y, y1, 16);
    x += 32;
    y += 32;
  }
  while (n > 0) {
    const part = min<u32>(n, 4);
    storePart(y, geluErf4(loadPart(x, part)), part);
    x += 16;
    y += 16;
    n -= part;
  }
}

export function geluTanh(x: usize, y: usize, n: u32): void {
  for (; n >= 8; n -= 8) {
    const x0 = v128.load(x);
    const x1 = v128.load(x, 16);
    const y0 = geluTanh4(x0);
    const y1 = geluTanh4(x1);
    v128.store(y, y0);
    v128.store(y, y1, 16);
    x += 32;
    y += 32;
  }
  while (n > 0) {
    const part = min<u32>(n, 4);
    storePart(y, geluTanh4(loadPart(x, part)), part);
    x += 16;
    y += 16;
    n -= part;
  }
}

export function exp(x: usize, y: usize, n: u32): void {
  for (; n >= 8; n -= 8) {
    const x0 = v128.load(x);
    const x1 = v128.load(x, 16);
    const y0 = exp4(x0);
    const y1 = exp4(x1);
    v128.store(y, y0);
    v128.store(y, y1, 16);
    x += 32;
    y += 32;
  }
  while (n > 0) {
    const part = min<u32>(n, 4);
    storePart(y, exp4(loadPart(x, part)), part);
    x += 16;
    y += 16;
    n -= part;
  }
}

export function log(x: usize, y: usize, n: u32): void {
  for (; n >= 8; n -= 8) {
    const x0 = v128.load(x);
    const x1 = v128.load(x, 16);
    const y0 = log4(x0);
    const y1 = log4(x1);
    v128.store(y, y0);
    v128.store(y, y1, 16);
    x += 32;
    y += 32;
  }
  while (n > 0) {
    const part = min<u32>(n, 4);
    storePart(y, log4(loadPart(x, part)), part);
    x += 16;
    y += 16;
    n -= part;
  }
}

/** dy where y > 0, else 0; where y is NaN dy passes */
export function reluGrad(dy: usize, y: usize, dx: usize, n: u32): void {
  const zero = f32x4.splat(0);
  for (; n >= 8; n -= 8) {
    const dy0 = v128.load(dy);
    const dy1 = v128.load(dy, 16);
    const y0 = v128.load(y);
    const y1 = v128.load(y, 16);
    const dx0 = v128.andnot(dy0, f32x4.le(y0, zero));
    const dx1 = v128.andnot(dy1, f32x4.le(y1, zero));
    v128.store(dx, dx0);
    v128.store(dx, dx1, 16);
    dy += 32;
    y += 32;
    dx += 32;
  }
  while (n > 0) {
    const part = min<u32>(n, 4);
    storePart(dx, v128.andnot(loadPart(dy, part), f32x4.le(loadPart(y, part), zero)), part);
    dy += 16;
    y += 16;
    dx += 16;
    n -= part;
  }
}

export function leakyReluGrad(dy: usize, y: usize, dx: usize, n: u32, alpha: f32): void {
  const zero = f32x4.splat(0);
  const one = f32x4.splat(1);
  const slope = f32x4.splat(alpha);
  for (; n >= 8; n -= 8) {
    const dy0 = v128.load(dy);
    const dy1 = v128.load(dy, 16);
    const y0 = v128.load(y);
    const y1 = v128.load(y, 16);
    const dx0 = f32x4.mul(dy0, v128.bitselect(slope, one, f32x4.le(y0, zero)));
    const dx1 = f32x4.mul(dy1, v128.bitselect(slope, one, f32x4.le(y1, zero)));
    v128.store(dx, dx0);
    v128.store(dx, dx1, 16);
    dy += 32;
    y += 32;
    dx += 32;
  }
  while (n > 0) {
    const part = min<u32>(n, 4);
    storePart(dx, f32x4.mul(loadPart(dy, part), v128.bitselect(slope, one, f32x4.le(loadPart(y, part), zero))), part);
    dy += 16;
    y += 16;
    dx += 16;
    n -= part;
  }
}

// @ts-ignore: decorator
@inline
function sigmoidSlope(y: v128): v128 {
  return f32x4.mul(y, f32x4.sub(f32x4.splat(1), y));
}

// @ts-ignore: decorator
@inline
function tanhSlope(y: v128): v128 {
  return f32x4.sub(f32x4.splat(1), f32x4.mul(y, y));
}

export function sigmoidGrad(dy: usize, y: usize, dx: usize, n: u32): void {
  for (; n >= 8; n -= 8) {
    const dy0 = v128.load(dy);
    const dy1 = v128.load(dy, 16);
    const y0 = v128.load(y);
    const y1 = v128.load(y, 16);
    const dx0 = f32x4.mul(dy0, sigmoidSlope(y0));
    const dx1 = f32x4.mul(dy1, sigmoidSlope(y1));
    v128.store(dx, dx0);
    v128.store(dx, dx1, 16);
    dy += 32;
    y += 32;
    dx += 32;
  }
  while (n > 0) {
    const part = min<u32>(n, 4);
    storePart(dx, f32x4.mul(loadPart(dy, part), sigmoidSlope(loadPart(y, part))), part);
    dy += 16;
    y += 16;
    dx += 16;
    n -= part;
  }
}

export function tanhGrad(dy: usize, y: usize, dx: usize, n: u32): void {
  for (; n >= 8; n -= 8) {
    const dy0 = v128.load(dy);
    const dy1 = v128.load(dy, 16);
    const y0 = v128.load(y);
    const y1 = v128.load(y, 16);
    const dx0 = f32x4.mul(dy0, tanhSlope(y0));
    const dx1 = f32x4.mul(dy1, tanhSlope(y1));
    v128.store(dx, dx0);
    v128.store(dx, dx1, 16);
    dy += 32;
    y += 32;
    dx += 32;
  }
  while (n > 0) {
    const part = min<u32>(n, 4);
    storePart(dx, f32x4.mul(loadPart(dy, part), tanhSlope(loadPart(y, part))), part);
    dy += 16;
    y += 16;
    dx += 16;
    n -= part;
  }
}

export function geluErfGrad(dy: usize, x: usize, dx: usize, n: u32): void {
  for (; n >= 8; n -= 8) {
    const dy0 = v128.load(dy);
    const dy1 = v128.load(dy, 16);
    const x0 = v128.load(x);
    const x1 = v128.load(x, 16);
    const dx0 = f32x4.mul(dy0, geluErfSlope4(x0));
    const dx1 = f32x4.mul(dy1, geluErfSlope4(x1));
    v128.store(dx, dx0);
    v128.store(dx, dx1, 16);
    dy += 32;
    x += 32;
    dx += 32;
  }
  while (n > 0) {
    const part = min<u32>(n, 4);
    storePart(dx, f32x4.mul(loadPart(dy, part), geluErfSlope4(loadPart(x, part))), part);
    dy += 16;
    x += 16;
    dx += 16;
    n -= part;
  }
}

export function geluTanhGrad(dy: usize, x: usize, dx: usize, n: u32): void {
  for (; n >= 8; n -= 8) {
    const dy0 = v128.load(dy);
    const dy1 = v128.load(dy, 16);
    const x0 = v128.load(x);
    const x1 = v128.load(x, 16);
    const dx0 = f32x4.mul(dy0, geluTanhSlope4(x0));
    const dx1 = f32x4.mul(dy1, geluTanhSlope4(x1));
    v128.store(dx, dx0);
    v128.store(dx, dx1, 16);
    dy += 32;
    x += 32;
    dx += 32;
  }
  while (n > 0) {
    const part = min<u32>(n, 4);
    storePart(dx, f32x4.mul(loadPart(dy, part), geluTanhSlope4(loadPart(x, part))), part);
    dy += 16;
    x += 16;
    dx += 16;
    n -= part;
  }
}
