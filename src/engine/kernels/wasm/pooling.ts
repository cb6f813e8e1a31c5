// Pooling over windows of an image (height, width, channels), and upsampling. Channels lie side by side, so they are the vector's lanes.

import { copy, fill } from './elementwise';
import { loadPart, storePart } from './lanes';

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
  for (; images > 0; images--) {
    for (let oy: u32 = 0; oy < outHeight; oy++) {
      for (let ox: u32 = 0; ox < outWidth; ox++) {
        const corner = x + <usize>(oy * strideHeight) * line + <usize>(ox * strideWidth) * pixel;
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

/** dx: each window's dy goes to its first largest value (to the first NaN, if there is one) */
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
): void {
  const outHeight = (height - kernelHeight) / strideHeight + 1;
  const outWidth = (width - kernelWidth) / strideWidth + 1;
  const pixel = <usize>channels << 2;
  const line = pixel * width;
  fill(dx, images * height * width * channels, 0);
  for (; images > 0; images--) {
    for (let oy: u32 = 0; oy < outHeight; oy++) {
      for (let ox: u32 = 0; ox < outWidth; ox++) {
        const corner = <usize>(oy * strideHeight) * line + <usize>(ox * strideWidth) * pixel;
        for (let c: u32 = 0; c < channels; c += 4) {
          const part = min<u32>(4, channels - c);
          const window = corner + (<usize>c << 2);
          let most = loadPart(x + window, part);
          let place = i32x4.splat(0);
          let index: i32 = 0;
          for (let ky: u32 = 0; ky < kernelHeight; ky++) {
            for (let kx: u32 = 0; kx < kernelWidth; kx++) {
              const value = loadPart(x + window + <usize>ky * line + <usize>kx * pixel, part);
              // larger, or NaN where there was none
              const isNew = v128.or(
                f32x4.gt(value, most),
                v128.andnot(f32x4.ne(value, value), f32x4.ne(most, most)),
              );
              most = v128.bitselect(value, most, isNew);
              place = v128.bitselect(i32x4.splat(index), place, isNew);
              index++;
            }
          }
          const gradient = loadPart(dy + (<usize>c << 2), part);
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
