// Convolution where each filter sees one channel ("depthwise"): filter f sees channel ⌊f / multiplier⌋, with multiplier = filters / channels.
// As a product of matrices each channel would have one of its own, a few columns wide, so the sums are taken directly. Filters lie side by
// side: they are the vector's lanes, and with a multiplier of 1 so are their channels. GFLOP/s of one thread (forward, gradients to the input
// and to the weights) for 3 × 3 over (8, 28, 28, 64), padded: 24, 32, 39 instead of 0.4, 0.3, 0.4 as products; with a multiplier of 2 over
// 32 channels 2.4, 1.2, 2.3 instead of 0.5, 0.4, 0.5.
//
// A tap is a value of the window: row ky · kernelWidth + kx of the weights. Taps outside the image are left out.

import { activateInPlace } from './activations';
import { addBias } from './elementwise';
import { fma, loadPart, storePart } from './lanes';

// abi.ts: GemmFlag
const BIAS: u32 = 8;

/** The first tap at or behind place 0, when tap 0 lies at `start` and taps are `step` apart. */
// @ts-ignore: decorator
@inline
export function firstTap(start: i32, step: u32): u32 {
  return start >= 0 ? 0 : (<u32>-start + step - 1) / step;
}

/** The first of `taps` taps that lies behind the last of `size` places. */
// @ts-ignore: decorator
@inline
export function endTap(start: i32, step: u32, taps: u32, size: u32): u32 {
  return start >= <i32>size ? 0 : min(taps, <u32>(<i32>size - 1 - start) / step + 1);
}

/** Bytes from a pixel's first channel to the one that filter f sees. */
// @ts-ignore: decorator
@inline
export function channelOffset(f: u32, filters: u32, multiplier: u32): usize {
  return <usize>(min(f, filters - 1) / multiplier) << 2;
}

/** The floats at x + a, x + b, x + c and x + d, which ascend */
// @ts-ignore: decorator
@inline
export function gather(x: usize, a: usize, b: usize, c: usize, d: usize): v128 {
  let value = v128.load32_splat(x + a);
  if (a == d) return value;
  value = v128.load_lane<f32>(x + b, value, 1);
  value = v128.load_lane<f32>(x + c, value, 2);
  return v128.load_lane<f32>(x + d, value, 3);
}

/** One place of the output, filters [f, filters): `rows` × `columns` taps, the first of them at x and w. */
function onePlace(
  x: usize,
  w: usize,
  y: usize,
  f: u32,
  filters: u32,
  multiplier: u32,
  rows: u32,
  columns: u32,
  lineStep: usize,
  tapStep: usize,
  weightLine: usize,
  weightStep: usize,
): void {
  const zero = f32x4.splat(0);
  for (; multiplier == 1 && f + 8 <= filters; f += 8) {
    const shift = <usize>f << 2;
    let sum0 = zero;
    let sum1 = zero;
    for (let ky: u32 = 0; ky < rows; ky++) {
      let from = x + <usize>ky * lineStep + shift;
      let weight = w + <usize>ky * weightLine + shift;
      for (let kx: u32 = 0; kx < columns; kx++) {
        sum0 = fma(v128.load(from), v128.load(weight), sum0);
        sum1 = fma(v128.load(from, 16), v128.load(weight, 16), sum1);
        from += tapStep;
        weight += weightStep;
      }
    }
    v128.store(y + shift, sum0);
    v128.store(y + shift, sum1, 16);
  }
  for (; f < filters; f += 4) {
    const part = min<u32>(4, filters - f);
    const shift = <usize>f << 2;
    const a = channelOffset(f, filters, multiplier);
    const b = channelOffset(f + 1, filters, multiplier);
    const c = channelOffset(f + 2, filters, multiplier);
    const d = channelOffset(f + 3, filters, multiplier);
    let sum = zero;
    for (let ky: u32 = 0; ky < rows; ky++) {
      let from = x + <usize>ky * lineStep;
      let weight = w + <usize>ky * weightLine + shift;
      for (let kx: u32 = 0; kx < columns; kx++) {
        const value = multiplier == 1 ? loadPart(from + shift, part) : gather(from, a, b, c, d);
        sum = fma(value, loadPart(weight, part), sum);
        from += tapStep;
        weight += weightStep;
      }
    }
    storePart(y + shift, sum, part);
  }
}

/** Four neighbouring places with a multiplier of 1, eight filters at a time: weights are read once for all four. Returns the filters done. */
function fourPlaces(
  x: usize,
  w: usize,
  y: usize,
  filters: u32,
  rows: u32,
  columns: u32,
  lineStep: usize,
  tapStep: usize,
  weightLine: usize,
  weightStep: usize,
  placeStep: usize,
): u32 {
  const pitch = <usize>filters << 2;
  const zero = f32x4.splat(0);
  let f: u32 = 0;
  for (; f + 8 <= filters; f += 8) {
    let a0 = zero;
    let a1 = zero;
    let b0 = zero;
    let b1 = zero;
    let c0 = zero;
    let c1 = zero;
    let d0 = zero;
    let d1 = zero;
    for (let ky: u32 = 0; ky < rows; ky++) {
      let at = x + <usize>ky * lineStep;
      let weight = w + <usize>ky * weightLine;
      for (let kx: u32 = 0; kx < columns; kx++) {
        const w0 = v128.load(weight);
        const w1 = v128.load(weight, 16);
        const bt = at + placeStep;
        const ct = bt + placeStep;
        const dt = ct + placeStep;
        a0 = fma(v128.load(at), w0, a0);
        a1 = fma(v128.load(at, 16), w1, a1);
        b0 = fma(v128.load(bt), w0, b0);
        b1 = fma(v128.load(bt, 16), w1, b1);
        c0 = fma(v128.load(ct), w0, c0);
        c1 = fma(v128.load(ct, 16), w1, c1);
        d0 = fma(v128.load(dt), w0, d0);
        d1 = fma(v128.load(dt, 16), w1, d1);
        at += tapStep;
        weight += weightStep;
      }
    }
    v128.store(y, a0);
    v128.store(y, a1, 16);
    v128.store(y + pitch, b0);
    v128.store(y + pitch, b1, 16);
    v128.store(y + 2 * pitch, c0);
    v128.store(y + 2 * pitch, c1, 16);
    v128.store(y + 3 * pitch, d0);
    v128.store(y + 3 * pitch, d1, 16);
    x += 32;
    w += 32;
    y += 32;
  }
  return f;
}

/**
 * The sums of `depthwiseConv2d`, with tap (ky, kx) at w + ky · weightLine + kx · weightStep, so that the taps may be read backwards too.
 * Each element is Σ fma(x, w) in ascending order of the taps, from 0; then its bias is added.
 */
export function correlate(
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
  padTop: i32,
  padLeft: i32,
  outHeight: u32,
  outWidth: u32,
  filters: u32,
  x: usize,
  w: usize,
  weightLine: usize,
  weightStep: usize,
  y: usize,
  bias: usize,
  activation: u32,
  alpha: f32,
): void {
  const multiplier = filters / channels;
  const pixel = <usize>channels << 2;
  const line = pixel * width;
  const pitch = <usize>filters << 2;
  const lineStep = line * dilationHeight;
  const tapStep = pixel * dilationWidth;
  for (; images > 0; images--) {
    for (let oy: u32 = 0; oy < outHeight; oy++) {
      const begin = y;
      const top = <i32>(oy * strideHeight) - padTop;
      const firstRow = firstTap(top, dilationHeight);
      const endRow = endTap(top, dilationHeight, kernelHeight, height);
      const rows = endRow > firstRow ? endRow - firstRow : 0;
      const from = x + <usize>(top + <i32>(firstRow * dilationHeight)) * line;
      const weights = w + <usize>firstRow * weightLine;
      let ox: u32 = 0;
      while (ox < outWidth) {
        const left = <i32>(ox * strideWidth) - padLeft;
        const firstColumn = firstTap(left, dilationWidth);
        const endColumn = endTap(left, dilationWidth, kernelWidth, width);
        const columns = endColumn > firstColumn ? endColumn - firstColumn : 0;
        const corner = from + <usize>(left + <i32>(firstColumn * dilationWidth)) * pixel;
        const weight = weights + <usize>firstColumn * weightStep;
        const last = left + <i32>(3 * strideWidth + (kernelWidth - 1) * dilationWidth);
        let places: u32 = 1;
        let done: u32 = 0;
        if (multiplier == 1 && ox + 4 <= outWidth && left >= 0 && last < <i32>width) {
          places = 4;
          done = fourPlaces(corner, weight, y, filters, rows, columns, lineStep, tapStep, weightLine, weightStep, pixel * strideWidth);
        }
        for (let i: u32 = 0; i < places; i++) {
          onePlace(corner + <usize>(i * strideWidth) * pixel, weight, y, done, filters, multiplier, rows, columns, lineStep, tapStep, weightLine, weightStep);
          y += pitch;
        }
        ox += places;
      }
      // the line is still in the first-level cache
      if (bias) addBias(begin, bias, begin, outWidth, filters);
      activateInPlace(begin, outWidth * filters, activation, alpha);
    }
    x += line * height;
  }
}

/** y = activation(conv(x, w) [+ bias]) */
export function depthwiseConv2d(
  flags: u32,
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
  w: usize,
  y: usize,
  bias: usize,
  activation: u32,
  alpha: f32,
  scratch: usize,
): void {
  const weightStep = <usize>filters << 2;
  if (!(flags & BIAS)) bias = 0;
  correlate(images, height, width, channels, kernelHeight, kernelWidth, strideHeight, strideWidth, dilationHeight, dilationWidth, padTop, padLeft, outHeight, outWidth, filters, x, w, weightStep * kernelWidth, weightStep, y, bias, activation, alpha);
}
