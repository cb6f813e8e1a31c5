// Convolution as matrix products: the windows of a block of output positions are laid out as rows of a matrix ("im2col") in the thread's
// scratch, small enough to stay in its cache, and multiplied while they are there. No whole-batch matrix of windows ever exists.
//
// What else was measured, on W3 of bench/workloads.ts: tiles take four fifths of its second convolution's time, windows a tenth. With its weights packed
// once a call instead of once a block, forward takes 0.92 of the time and the gradient to the input 0.94; windows laid out at once as the product to the
// weights wants them saved 3 % on one thread and nothing on two. The first convolution, of one channel, takes 1.8 + 2.2 ms of 80: even at no cost at
// all it would win back 5 %, so it has no kernel of its own.
//
// A position is an output pixel, counted over all images of the call: (image·outHeight + oy)·outWidth + ox.

import { fill } from './elementwise';
import { gemm } from './gemm';
import { fitsPacked, packWhole, timesPacked } from './gemm-packed';
import { loadPart, storePart } from './lanes';
import { WORK, WORK_FLOATS } from './scratch';

// abi.ts: GemmFlag
const TRANSPOSE_A: u32 = 1;
const TRANSPOSE_B: u32 = 2;
const ACCUMULATE: u32 = 4;
const BIAS: u32 = 8;

/** to = from, n floats; short runs (a window's row) are common */
// @ts-ignore: decorator
@inline
function copyRun(from: usize, to: usize, n: u32): void {
  for (; n >= 8; n -= 8) {
    const x0 = v128.load(from);
    const x1 = v128.load(from, 16);
    v128.store(to, x0);
    v128.store(to, x1, 16);
    from += 32;
    to += 32;
  }
  for (; n >= 4; n -= 4) {
    v128.store(to, v128.load(from));
    from += 16;
    to += 16;
  }
  if (n > 0) storePart(to, loadPart(from, n), n);
}

// @ts-ignore: decorator
@inline
function zeroRun(to: usize, n: u32): void {
  for (; n >= 4; n -= 4) {
    v128.store(to, f32x4.splat(0));
    to += 16;
  }
  if (n > 0) storePart(to, f32x4.splat(0), n);
}

// @ts-ignore: decorator
@inline
function addRun(from: usize, to: usize, n: u32): void {
  for (; n >= 8; n -= 8) {
    const x0 = v128.load(from);
    const x1 = v128.load(from, 16);
    const y0 = v128.load(to);
    const y1 = v128.load(to, 16);
    v128.store(to, f32x4.add(y0, x0));
    v128.store(to, f32x4.add(y1, x1), 16);
    from += 32;
    to += 32;
  }
  for (; n >= 4; n -= 4) {
    v128.store(to, f32x4.add(v128.load(to), v128.load(from)));
    from += 16;
    to += 16;
  }
  if (n > 0) storePart(to, f32x4.add(loadPart(to, n), loadPart(from, n)), n);
}

/** Positions whose windows are laid out at once. Follows from the shapes alone, so that sums are cut alike for every thread count. */
// @ts-ignore: decorator
@inline
function positionsAtOnce(windowSize: u32): u32 {
  return max<u32>(1, min<u32>(256, WORK_FLOATS / windowSize));
}

/**
 * Columns [from, to) of the windows of `count` positions, one row each, written to `out`; or, with `add`, rows at `out` added to the image.
 * A window has `channels` of the `pixel` values that lie at each place of an image, from `x` on.
 */
// @ts-ignore: decorator
@inline
function windows(
  add: bool,
  x: usize,
  first: u32,
  count: u32,
  from: u32,
  to: u32,
  out: usize,
  height: u32,
  width: u32,
  pixel: u32,
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
): void {
  const imageBytes = (<usize>(height * width) * pixel) << 2;
  let image = first / (outHeight * outWidth);
  const within = first - image * outHeight * outWidth;
  let oy = within / outWidth;
  let ox = within - oy * outWidth;
  const rowSize = kernelWidth * channels;
  for (; count > 0; count--) {
    const base = x + <usize>image * imageBytes;
    const left = <i32>(ox * strideWidth) - <i32>padLeft;
    const wholeRow =
      channels == pixel && dilationWidth == 1 && left >= 0 && <u32>left + kernelWidth <= width;
    for (let ky: u32 = 0; ky < kernelHeight; ky++) {
      const begin = ky * rowSize;
      if (begin + rowSize <= from) continue;
      if (begin >= to) break;
      const iy = <i32>(oy * strideHeight + ky * dilationHeight) - <i32>padTop;
      const inside = iy >= 0 && iy < <i32>height;
      const line = base + ((<usize>(<u32>iy * width) * pixel) << 2);
      if (inside && wholeRow) {
        // neighbouring pixels lie side by side: the window's row is one run
        const a = max(begin, from);
        const b = min(begin + rowSize, to);
        const run = line + (<usize>(<u32>left * channels + a - begin) << 2);
        if (add) addRun(out, run, b - a);
        else copyRun(run, out, b - a);
        out += <usize>(b - a) << 2;
        continue;
      }
      for (let kx: u32 = 0; kx < kernelWidth; kx++) {
        const start = begin + kx * channels;
        const a = max(start, from);
        const b = min(start + channels, to);
        if (b <= a) continue;
        const ix = left + <i32>(kx * dilationWidth);
        if (inside && ix >= 0 && ix < <i32>width) {
          const run = line + (<usize>(<u32>ix * pixel + a - start) << 2);
          if (add) addRun(out, run, b - a);
          else copyRun(run, out, b - a);
        } else if (!add) zeroRun(out, b - a);
        out += <usize>(b - a) << 2;
      }
    }
    ox++;
    if (ox == outWidth) {
      ox = 0;
      oy++;
      if (oy == outHeight) {
        oy = 0;
        image++;
      }
    }
  }
}

/** y = activation(conv(x, w) [+ bias]) */
export function conv2d(
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
  const part = channels / groups;
  const columns = filters / groups;
  const size = kernelHeight * kernelWidth * part;
  const positions = images * outHeight * outWidth;
  const block = positionsAtOnce(size);
  const matrix = scratch + WORK;
  const pitch = <usize>filters << 2;
  const isPacked = groups == 1 && fitsPacked(size, columns);
  if (isPacked) packWhole(0, w, pitch, size, columns, scratch);
  const biasOrNone: usize = flags & BIAS ? bias : 0;
  for (let first: u32 = 0; first < positions; first += block) {
    const count = min(block, positions - first);
    for (let group: u32 = 0; group < groups; group++) {
      const shift = <usize>(group * columns) << 2;
      windows(false, x + (<usize>(group * part) << 2), first, count, 0, size, matrix, height, width, channels, part, kernelHeight, kernelWidth, strideHeight, strideWidth, dilationHeight, dilationWidth, padTop, padLeft, outHeight, outWidth);
      if (isPacked) timesPacked(count, columns, size, matrix, <usize>size << 2, y, pitch, biasOrNone, activation, alpha, scratch);
      else gemm(flags, count, columns, size, matrix, size, w + shift, filters, y + shift, filters, bias + shift, activation, alpha, scratch);
    }
    y += <usize>(count * filters) << 2;
  }
}

/** dx = Σ over positions of their dy·wᵀ, where their windows lie */
export function conv2dInputGrad(
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
  const part = channels / groups;
  const columns = filters / groups;
  const size = kernelHeight * kernelWidth * part;
  const positions = images * outHeight * outWidth;
  const block = positionsAtOnce(size);
  const matrix = scratch + WORK;
  const pitch = <usize>filters << 2;
  const isPacked = groups == 1 && fitsPacked(columns, size);
  if (isPacked) packWhole(TRANSPOSE_B, w, pitch, columns, size, scratch);
  fill(dx, images * height * width * channels, 0);
  for (let first: u32 = 0; first < positions; first += block) {
    const count = min(block, positions - first);
    for (let group: u32 = 0; group < groups; group++) {
      const shift = <usize>(group * columns) << 2;
      if (isPacked) timesPacked(count, size, columns, dy, pitch, matrix, <usize>size << 2, 0, 0, 0, scratch);
      else gemm(TRANSPOSE_B, count, size, columns, dy + shift, filters, w + shift, filters, matrix, size, 0, 0, 0, scratch);
      windows(true, dx + (<usize>(group * part) << 2), first, count, 0, size, matrix, height, width, channels, part, kernelHeight, kernelWidth, strideHeight, strideWidth, dilationHeight, dilationWidth, padTop, padLeft, outHeight, outWidth);
    }
    dy += <usize>(count * filters) << 2;
  }
}

/** dw = Σ over positions of windowᵀ·dy, for `rows` of its rows */
export function conv2dWeightGrad(
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
  if (rows == 0) return;
  const part = channels / groups;
  const columns = filters / groups;
  const positions = images * outHeight * outWidth;
  const block = positionsAtOnce(kernelHeight * kernelWidth * part);
  const matrix = scratch + WORK;
  for (let first: u32 = 0; first < positions; first += block) {
    const count = min(block, positions - first);
    const flags = first == 0 ? TRANSPOSE_A : TRANSPOSE_A | ACCUMULATE;
    for (let group: u32 = 0; group < groups; group++) {
      const shift = <usize>(group * columns) << 2;
      windows(false, x + (<usize>(group * part) << 2), first, count, firstRow, firstRow + rows, matrix, height, width, channels, part, kernelHeight, kernelWidth, strideHeight, strideWidth, dilationHeight, dilationWidth, padTop, padLeft, outHeight, outWidth);
      gemm(flags, rows, columns, count, matrix, rows, dy + shift, filters, dw + shift, filters, 0, 0, 0, scratch);
    }
    dy += <usize>(count * filters) << 2;
  }
}
