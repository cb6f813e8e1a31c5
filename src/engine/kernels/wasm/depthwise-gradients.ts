// The gradients of depthwise convolution (depthwise.ts says what is measured): to the input, where filters of one channel meet, and to the weights.

import { channelOffset, correlate, endTap, firstTap, gather } from './depthwise';
import { fill } from './elementwise';
import { fma, loadPart, storePart, sumLanes } from './lanes';

/** dx (channels) += Σ of dy · w over the filters of each channel */
// @ts-ignore: decorator
@inline
function addToPixel(dy: usize, w: usize, dx: usize, channels: u32, multiplier: u32): void {
  if (multiplier == 1) {
    for (; channels >= 8; channels -= 8) {
      const x0 = fma(v128.load(dy), v128.load(w), v128.load(dx));
      const x1 = fma(v128.load(dy, 16), v128.load(w, 16), v128.load(dx, 16));
      v128.store(dx, x0);
      v128.store(dx, x1, 16);
      dy += 32;
      w += 32;
      dx += 32;
    }
    for (let c: u32 = 0; c < channels; c += 4) {
      const part = min<u32>(4, channels - c);
      const at = <usize>c << 2;
      storePart(dx + at, fma(loadPart(dy + at, part), loadPart(w + at, part), loadPart(dx + at, part)), part);
    }
    return;
  }
  for (; channels > 0; channels--) {
    let sum = f32x4.splat(0);
    for (let i: u32 = 0; i < multiplier; i += 4) {
      const part = min<u32>(4, multiplier - i);
      const at = <usize>i << 2;
      sum = fma(loadPart(dy + at, part), loadPart(w + at, part), sum);
    }
    store<f32>(dx, load<f32>(dx) + sumLanes(sum));
    dy += <usize>multiplier << 2;
    w += <usize>multiplier << 2;
    dx += 4;
  }
}

/** dx: each place's dy · w is added where its window lies, places in ascending order */
export function depthwiseConv2dInputGrad(
  images: u32,
  height: u32,
  width: u32,
  channels: u32,
  kernelHeight: u32,
  kernelWidth: u32,
  strideHeight: u32,
  strideWidth: u32,
  dilationHeight: u32,
  dilationWidth: u32,
  padTop: u32,
  padLeft: u32,
  outHeight: u32,
  outWidth: u32,
  filters: u32,
  groups: u32,
  dy: usize,
  w: usize,
  dx: usize,
  scratch: usize,
): void {
  const multiplier = filters / channels;
  const weightStep = <usize>filters << 2;
  if (multiplier == 1 && strideHeight == 1 && strideWidth == 1) {
    // the windows of dx over dy, their taps backwards
    const above = <i32>((kernelHeight - 1) * dilationHeight) - <i32>padTop;
    const before = <i32>((kernelWidth - 1) * dilationWidth) - <i32>padLeft;
    const last = w + weightStep * (kernelHeight * kernelWidth - 1);
    correlate(images, outHeight, outWidth, channels, kernelHeight, kernelWidth, 1, 1, dilationHeight, dilationWidth, above, before, height, width, channels, dy, last, -weightStep * kernelWidth, -weightStep, dx, 0, 0, 0);
    return;
  }
  const pixel = <usize>channels << 2;
  const line = pixel * width;
  fill(dx, images * height * width * channels, 0);
  for (; images > 0; images--) {
    for (let oy: u32 = 0; oy < outHeight; oy++) {
      const top = <i32>(oy * strideHeight) - <i32>padTop;
      const endRow = endTap(top, dilationHeight, kernelHeight, height);
      for (let ox: u32 = 0; ox < outWidth; ox++) {
        const left = <i32>(ox * strideWidth) - <i32>padLeft;
        const endColumn = endTap(left, dilationWidth, kernelWidth, width);
        for (let ky = firstTap(top, dilationHeight); ky < endRow; ky++) {
          const to = dx + <usize>(top + <i32>(ky * dilationHeight)) * line;
          for (let kx = firstTap(left, dilationWidth); kx < endColumn; kx++) {
            const weight = w + <usize>(ky * kernelWidth + kx) * weightStep;
            addToPixel(dy, weight, to + <usize>(left + <i32>(kx * dilationWidth)) * pixel, channels, multiplier);
          }
        }
        dy += weightStep;
      }
    }
    dx += line * height;
  }
}

/** dw (filters) += Σ of x · dy over `places` of one line */
// @ts-ignore: decorator
@inline
function addLine(x: usize, dy: usize, dw: usize, filters: u32, multiplier: u32, places: u32, placeStep: usize): void {
  const pitch = <usize>filters << 2;
  let f: u32 = 0;
  if (multiplier == 1) {
    for (; f + 8 <= filters; f += 8) {
      const shift = <usize>f << 2;
      let from = x + shift;
      let gradient = dy + shift;
      // four sums, so that one addition need not wait for the other
      let a0 = f32x4.splat(0);
      let a1 = a0;
      let b0 = a0;
      let b1 = a0;
      let c0 = a0;
      let c1 = a0;
      let d0 = a0;
      let d1 = a0;
      let n = places;
      for (; n >= 4; n -= 4) {
        a0 = fma(v128.load(from), v128.load(gradient), a0);
        a1 = fma(v128.load(from, 16), v128.load(gradient, 16), a1);
        from += placeStep;
        gradient += pitch;
        b0 = fma(v128.load(from), v128.load(gradient), b0);
        b1 = fma(v128.load(from, 16), v128.load(gradient, 16), b1);
        from += placeStep;
        gradient += pitch;
        c0 = fma(v128.load(from), v128.load(gradient), c0);
        c1 = fma(v128.load(from, 16), v128.load(gradient, 16), c1);
        from += placeStep;
        gradient += pitch;
        d0 = fma(v128.load(from), v128.load(gradient), d0);
        d1 = fma(v128.load(from, 16), v128.load(gradient, 16), d1);
        from += placeStep;
        gradient += pitch;
      }
      for (; n > 0; n--) {
        a0 = fma(v128.load(from), v128.load(gradient), a0);
        a1 = fma(v128.load(from, 16), v128.load(gradient, 16), a1);
        from += placeStep;
        gradient += pitch;
      }
      const to = dw + shift;
      const w0 = f32x4.add(v128.load(to), f32x4.add(f32x4.add(a0, b0), f32x4.add(c0, d0)));
      const w1 = f32x4.add(v128.load(to, 16), f32x4.add(f32x4.add(a1, b1), f32x4.add(c1, d1)));
      v128.store(to, w0);
      v128.store(to, w1, 16);
    }
  }
  for (; f < filters; f += 4) {
    const part = min<u32>(4, filters - f);
    const shift = <usize>f << 2;
    const a = channelOffset(f, filters, multiplier);
    const b = channelOffset(f + 1, filters, multiplier);
    const c = channelOffset(f + 2, filters, multiplier);
    const d = channelOffset(f + 3, filters, multiplier);
    let from = x;
    let gradient = dy + shift;
    let sum = f32x4.splat(0);
    for (let n = places; n > 0; n--) {
      const value = multiplier == 1 ? loadPart(from + shift, part) : gather(from, a, b, c, d);
      sum = fma(value, loadPart(gradient, part), sum);
      from += placeStep;
      gradient += pitch;
    }
    storePart(dw + shift, f32x4.add(loadPart(dw + shift, part), sum), part);
  }
}

/** dw = Σ over places of x · dy, for `rows` of its rows: lines are summed by themselves, then added in ascending order */
export function depthwiseConv2dWeightGrad(
  images: u32,
  height: u32,
  width: u32,
  channels: u32,
  kernelHeight: u32,
  kernelWidth: u32,
  strideHeight: u32,
  strideWidth: u32,
  dilationHeight: u32,
  dilationWidth: u32,
  padTop: u32,
  padLeft: u32,
  outHeight: u32,
  outWidth: u32,
  filters: u32,
  groups: u32,
  x: usize,
  dy: usize,
  firstRow: u32,
  rows: u32,
  dw: usize,
  scratch: usize,
): void {
  const multiplier = filters / channels;
  const pixel = <usize>channels << 2;
  const line = pixel * width;
  const pitch = <usize>filters << 2;
  fill(dw, rows * filters, 0);
  for (; images > 0; images--) {
    for (let oy: u32 = 0; oy < outHeight; oy++) {
      for (let row: u32 = 0; row < rows; row++) {
        const tap = firstRow + row;
        const ky = tap / kernelWidth;
        const iy = <i32>(oy * strideHeight + ky * dilationHeight) - <i32>padTop;
        if (iy < 0 || iy >= <i32>height) continue;
        // the places whose tap lies inside the line: as taps of a window that begins where the first place's tap lies
        const left = <i32>((tap - ky * kernelWidth) * dilationWidth) - <i32>padLeft;
        const first = firstTap(left, strideWidth);
        const end = endTap(left, strideWidth, outWidth, width);
        if (end <= first) continue;
        const from = x + <usize>iy * line + <usize>(left + <i32>(first * strideWidth)) * pixel;
        addLine(from, dy + <usize>first * pitch, dw + <usize>row * pitch, filters, multiplier, end - first, pixel * strideWidth);
      }
      dy += pitch * outWidth;
    }
    x += line * height;
  }
}
