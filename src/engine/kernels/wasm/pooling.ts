// Pooling over windows of an image (height, width, channels), and upsampling. Channels lie side by side, so they are the vector's lanes.

import { copy, fill } from './elementwise';
import { loadPart, storePart } from './lanes';

// Windows of 2 × 2 that do not overlap, over channels that fill pairs of vectors, are the usual ones and have loops of their own: those of W3 take
// 1.2 ms instead of 1.8 forward, and 1.7 instead of 4.1 back.

/** y = largest of the 2 × 2 pixels at x, 8 channels at a time */
// @ts-ignore: decorator
@inline
function maxOfFour(x: usize, line: usize, pixel: usize, y: usize): void {
  const below = x + line;
  for (let c: usize = 0; c < pixel; c += 32) {
    const a0 = v128.load(x + c);
    const a1 = v128.load(x + c, 16);
    const b0 = v128.load(x + pixel + c);
    const b1 = v128.load(x + pixel + c, 16);
    const c0 = v128.load(below + c);
    const c1 = v128.load(below + c, 16);
    const d0 = v128.load(below + pixel + c);
    const d1 = v128.load(below + pixel + c, 16);
    const most0 = f32x4.max(f32x4.max(a0, b0), f32x4.max(c0, d0));
    const most1 = f32x4.max(f32x4.max(a1, b1), f32x4.max(c1, d1));
    v128.store(y + c, most0);
    v128.store(y + c, most1, 16);
  }
}

/** where `value` comes instead of `most`: it is larger, or NaN where there was none */
// @ts-ignore: decorator
@inline
function isNewMost(value: v128, most: v128): v128 {
  return v128.or(f32x4.gt(value, most), v128.andnot(f32x4.ne(value, value), f32x4.ne(most, most)));
}

/** dx: dy goes to the first largest of the 2 × 2 pixels, the others get 0; none where that is not above `least` */
// @ts-ignore: decorator
@inline
function maxOfFourGrad(x: usize, line: usize, pixel: usize, dy: usize, dx: usize, least: v128): void {
  const below = x + line;
  const to = dx + line;
  for (let c: usize = 0; c < pixel; c += 32) {
    const a0 = v128.load(x + c);
    const a1 = v128.load(x + c, 16);
    const b0 = v128.load(x + pixel + c);
    const b1 = v128.load(x + pixel + c, 16);
    const c0 = v128.load(below + c);
    const c1 = v128.load(below + c, 16);
    const d0 = v128.load(below + pixel + c);
    const d1 = v128.load(below + pixel + c, 16);
    const g0 = v128.load(dy + c);
    const g1 = v128.load(dy + c, 16);
    const isB0 = isNewMost(b0, a0);
    const isB1 = isNewMost(b1, a1);
    const ab0 = v128.bitselect(b0, a0, isB0);
    const ab1 = v128.bitselect(b1, a1, isB1);
    const isC0 = isNewMost(c0, ab0);
    const isC1 = isNewMost(c1, ab1);
    const abc0 = v128.bitselect(c0, ab0, isC0);
    const abc1 = v128.bitselect(c1, ab1, isC1);
    const isD0 = isNewMost(d0, abc0);
    const isD1 = isNewMost(d1, abc1);
    const most0 = v128.bitselect(d0, abc0, isD0);
    const most1 = v128.bitselect(d1, abc1, isD1);
    const all0 = v128.andnot(g0, f32x4.le(most0, least));
    const all1 = v128.andnot(g1, f32x4.le(most1, least));
    const forD0 = v128.and(all0, isD0);
    const forD1 = v128.and(all1, isD1);
    const abcOnly0 = v128.andnot(all0, isD0);
    const abcOnly1 = v128.andnot(all1, isD1);
    const forC0 = v128.and(abcOnly0, isC0);
    const forC1 = v128.and(abcOnly1, isC1);
    const abOnly0 = v128.andnot(abcOnly0, isC0);
    const abOnly1 = v128.andnot(abcOnly1, isC1);
    v128.store(dx + c, v128.andnot(abOnly0, isB0));
    v128.store(dx + c, v128.andnot(abOnly1, isB1), 16);
    v128.store(dx + pixel + c, v128.and(abOnly0, isB0));
    v128.store(dx + pixel + c, v128.and(abOnly1, isB1), 16);
    v128.store(to + c, forC0);
    v128.store(to + c, forC1, 16);
    v128.store(to + pixel + c, forD0);
    v128.store(to + pixel + c, forD1, 16);
  }
}

/** y = largest of each window; NaN wins */
export function maxPool2d(
  x: usize,
  y: usize,
  images: u32,
  height: u32,
  width: u32,
  channels: u32,
  kernelHeight: u32,
  kernelWidth: u32,
  strideHeight: u32,
  strideWidth: u32,
): void {
  const outHeight = (height - kernelHeight) / strideHeight + 1;
  const outWidth = (width - kernelWidth) / strideWidth + 1;
  const pixel = <usize>channels << 2;
  const line = pixel * width;
  const isUsual = kernelHeight == 2 && kernelWidth == 2 && (channels & 7) == 0;
  for (; images > 0; images--) {
    for (let oy: u32 = 0; oy < outHeight; oy++) {
      for (let ox: u32 = 0; ox < outWidth; ox++) {
        const corner = x + <usize>(oy * strideHeight) * line + <usize>(ox * strideWidth) * pixel;
        if (isUsual) {
          maxOfFour(corner, line, pixel, y);
          y += pixel;
          continue;
        }
        for (let c: u32 = 0; c < channels; c += 4) {
          const part = min<u32>(4, channels - c);
          const window = corner + (<usize>c << 2);
          let most = loadPart(window, part);
          for (let ky: u32 = 0; ky < kernelHeight; ky++) {
            for (let kx: u32 = 0; kx < kernelWidth; kx++) {
              most = f32x4.max(most, loadPart(window + <usize>ky * line + <usize>kx * pixel, part));
            }
          }
          storePart(y + (<usize>c << 2), most, part);
        }
        y += pixel;
      }
    }
    x += line * height;
  }
}

/**
 * dx: each window's dy goes to its first largest value (to the first NaN, if there is one). With `rectified`, x is what relu gave, and dx the gradient
 * in front of it: a window whose largest value is 0 passes none on.
 */
export function maxPool2dGrad(
  x: usize,
  dy: usize,
  dx: usize,
  images: u32,
  height: u32,
  width: u32,
  channels: u32,
  kernelHeight: u32,
  kernelWidth: u32,
  strideHeight: u32,
  strideWidth: u32,
  rectified: u32,
): void {
  const outHeight = (height - kernelHeight) / strideHeight + 1;
  const outWidth = (width - kernelWidth) / strideWidth + 1;
  const pixel = <usize>channels << 2;
  const line = pixel * width;
  const isUsual =
    kernelHeight == 2 && kernelWidth == 2 && strideHeight == 2 && strideWidth == 2 && (channels & 7) == 0;
  const least = f32x4.splat(rectified ? 0 : -Infinity);
  if (!isUsual || ((height | width) & 1)) fill(dx, images * height * width * channels, 0);
  for (; images > 0; images--) {
    for (let oy: u32 = 0; oy < outHeight; oy++) {
      for (let ox: u32 = 0; ox < outWidth; ox++) {
        const corner = <usize>(oy * strideHeight) * line + <usize>(ox * strideWidth) * pixel;
        if (isUsual) {
          maxOfFourGrad(x + corner, line, pixel, dy, dx + corner, least);
          dy += pixel;
          continue;
        }
        for (let c: u32 = 0; c < channels; c += 4) {
          const part = min<u32>(4, channels - c);
          const window = corner + (<usize>c << 2);
          let most = loadPart(x + window, part);
          let place = i32x4.splat(0);
          let index: i32 = 0;
          for (let ky: u32 = 0; ky < kernelHeight; ky++) {
            for (let kx: u32 = 0; kx < kernelWidth; kx++) {
              const value = loadPart(x + window + <usize>ky * line + <usize>kx * pixel, part);
              const isNew = isNewMost(value, most);
              most = v128.bitselect(value, most, isNew);
              place = v128.bitselect(i32x4.splat(index), place, isNew);
              index++;
            }
          }
          const gradient = v128.andnot(loadPart(dy + (<usize>c << 2), part), f32x4.le(most, least));
          index = 0;
          for (let ky: u32 = 0; ky < kernelHeight; ky++) {
            for (let kx: u32 = 0; kx < kernelWidth; kx++) {
              const to = dx + window + <usize>ky * line + <usize>kx * pixel;
              const share = v128.and(gradient, i32x4.eq(place, i32x4.splat(index)));
              storePart(to, f32x4.add(loadPart(to, part), share), part);
              index++;
            }
          }
        }
        dy += pixel;
      }
    }
    x += line * height;
    dx += line * height;
  }
}

/** y: of each window of g the value where x has its first largest (the first NaN, if there is one) */
export function maxPool2dPick(
  x: usize,
  g: usize,
  y: usize,
  images: u32,
  height: u32,
  width: u32,
  channels: u32,
  kernelHeight: u32,
  kernelWidth: u32,
  strideHeight: u32,
  strideWidth: u32,
): void {
  const outHeight = (height - kernelHeight) / strideHeight + 1;
  const outWidth = (width - kernelWidth) / strideWidth + 1;
  const pixel = <usize>channels << 2;
  const line = pixel * width;
  for (; images > 0; images--) {
    for (let oy: u32 = 0; oy < outHeight; oy++) {
      for (let ox: u32 = 0; ox < outWidth; ox++) {
        const corner = <usize>(oy * strideHeight) * line + <usize>(ox * strideWidth) * pixel;
        for (let c: u32 = 0; c < channels; c += 4) {
          const part = min<u32>(4, channels - c);
          const window = corner + (<usize>c << 2);
          let most = loadPart(x + window, part);
          let picked = loadPart(g + window, part);
          for (let ky: u32 = 0; ky < kernelHeight; ky++) {
            for (let kx: u32 = 0; kx < kernelWidth; kx++) {
              const place = window + <usize>ky * line + <usize>kx * pixel;
              const value = loadPart(x + place, part);
              const isNew = isNewMost(value, most);
              most = v128.bitselect(value, most, isNew);
              picked = v128.bitselect(loadPart(g + place, part), picked, isNew);
            }
          }
          storePart(y + (<usize>c << 2), picked, part);
        }
        y += pixel;
      }
    }
    x += line * height;
    g += line * height;
  }
}

/** y = mean of each window: the sum in row-major order, times 1 / size */
export function averagePool2d(
  x: usize,
  y: usize,
  images: u32,
  height: u32,
  width: u32,
  channels: u32,
  kernelHeight: u32,
  kernelWidth: u32,
  strideHeight: u32,
  strideWidth: u32,
): void {
  const outHeight = (height - kernelHeight) / strideHeight + 1;
  const outWidth = (width - kernelWidth) / strideWidth + 1;
  const pixel = <usize>channels << 2;
  const line = pixel * width;
  const share = f32x4.splat(<f32>1 / <f32>(kernelHeight * kernelWidth));
  for (; images > 0; images--) {
    for (let oy: u32 = 0; oy < outHeight; oy++) {
      for (let ox: u32 = 0; ox < outWidth; ox++) {
        const corner = x + <usize>(oy * strideHeight) * line + <usize>(ox * strideWidth) * pixel;
        for (let c: u32 = 0; c < channels; c += 4) {
          const part = min<u32>(4, channels - c);
          let sum = f32x4.splat(0);
          for (let ky: u32 = 0; ky < kernelHeight; ky++) {
            for (let kx: u32 = 0; kx < kernelWidth; kx++) {
              const from = corner + (<usize>c << 2) + <usize>ky * line + <usize>kx * pixel;
              sum = f32x4.add(sum, loadPart(from, part));
            }
          }
          storePart(y + (<usize>c << 2), f32x4.mul(sum, share), part);
        }
        y += pixel;
      }
    }
    x += line * height;
  }
}

/** dx: each window's dy is shared out evenly */
export function averagePool2dGrad(
  dy: usize,
  dx: usize,
  images: u32,
  height: u32,
  width: u32,
  channels: u32,
  kernelHeight: u32,
  kernelWidth: u32,
  strideHeight: u32,
  strideWidth: u32,
): void {
  const outHeight = (height - kernelHeight) / strideHeight + 1;
  const outWidth = (width - kernelWidth) / strideWidth + 1;
  const pixel = <usize>channels << 2;
  const line = pixel * width;
  const share = f32x4.splat(<f32>1 / <f32>(kernelHeight * kernelWidth));
  fill(dx, images * height * width * channels, 0);
  for (; images > 0; images--) {
    for (let oy: u32 = 0; oy < outHeight; oy++) {
      for (let ox: u32 = 0; ox < outWidth; ox++) {
        const corner = dx + <usize>(oy * strideHeight) * line + <usize>(ox * strideWidth) * pixel;
        for (let c: u32 = 0; c < channels; c += 4) {
          const part = min<u32>(4, channels - c);
          const gradient = f32x4.mul(loadPart(dy + (<usize>c << 2), part), share);
          for (let ky: u32 = 0; ky < kernelHeight; ky++) {
            for (let kx: u32 = 0; kx < kernelWidth; kx++) {
              const to = corner + (<usize>c << 2) + <usize>ky * line + <usize>kx * pixel;
              storePart(to, f32x4.add(loadPart(to, part), gradient), part);
            }
          }
        }
        dy += pixel;
      }
    }
    dx += line * height;
  }
}

/** y: each pixel of x factor × factor times */
export function upsample2d(x: usize, y: usize, images: u32, height: u32, width: u32, channels: u32, factor: u32): void {
  const pixel = <usize>channels << 2;
  const across = width * factor * channels;
  for (let lines = images * height; lines > 0; lines--) {
    const line = y;
    for (let ox: u32 = 0; ox < width; ox++) {
      for (let k: u32 = 0; k < factor; k++) {
        copy(x, y, channels);
        y += pixel;
      }
      x += pixel;
    }
    for (let k: u32 = 1; k < factor; k++) {
      copy(line, y, across);
      y += <usize>across << 2;
    }
  }
}

/** dx: the sum of dy over each pixel's copies, in row-major order */
export function upsample2dGrad(
  dy: usize,
  dx: usize,
  images: u32,
  height: u32,
  width: u32,
  channels: u32,
  factor: u32,
): void {
  const pixel = <usize>channels << 2;
  const line = pixel * width * factor;
  for (let lines = images * height; lines > 0; lines--) {
    for (let ox: u32 = 0; ox < width; ox++) {
      for (let c: u32 = 0; c < channels; c += 4) {
        const part = min<u32>(4, channels - c);
        const corner = dy + (<usize>c << 2);
        let sum = f32x4.splat(0);
        for (let ky: u32 = 0; ky < factor; ky++) {
          for (let kx: u32 = 0; kx < factor; kx++) {
            sum = f32x4.add(sum, loadPart(corner + <usize>ky * line + <usize>kx * pixel, part));
          }
        }
        storePart(dx + (<usize>c << 2), sum, part);
      }
      dy += pixel * factor;
      dx += pixel;
    }
    dy += line * (factor - 1);
  }
}
