import type { Pointer } from './pointer.ts';

type ConvolutionGeometry = [
  images: number,
  height: number,
  width: number,
  channels: number,
  kernelHeight: number,
  kernelWidth: number,
  strideHeight: number,
  strideWidth: number,
  dilationHeight: number,
  dilationWidth: number,
  padTop: number,
  padLeft: number,
  outHeight: number,
  outWidth: number,
  filters: number,
  groups: number,
];

type PoolingGeometry = [
  images: number,
  height: number,
  width: number,
  channels: number,
  kernelHeight: number,
  kernelWidth: number,
  strideHeight: number,
  strideWidth: number,
];

/** Convolution and pooling (images: height × width × channels, "NHWC"). */
export interface ImageKernels {
  /**
   * Cross-correlation, what the field calls convolution: y (images, outHeight, outWidth, filters) =
   * activation(Σ over ky, kx, c of x (images, oy·strideHeight + ky·dilationHeight − padTop, ox·strideWidth + kx·dilationWidth − padLeft, c) ·
   * w (ky, kx, c, filters) [+ bias (filters)]), zeros outside the image. flags: GemmFlag.bias. Sums over k = (ky, kx, c) as in `gemm`, but in blocks of
   * at most 320, all alike, where there are no groups and w fits in 512 KiB.
   * With `groups`, each run of filters / groups filters sees the run of channels / groups channels at the same place, and c counts within it.
   */
  conv2d(
    ...args: [
      flags: number,
      ...geometry: ConvolutionGeometry,
      x: Pointer,
      w: Pointer,
      y: Pointer,
      bias: Pointer,
      activation: number,
      alpha: number,
      scratch: Pointer,
    ]
  ): void;
  /**
   * dx (images, height, width, channels): each position's dy·wᵀ is added where its window lies, positions in ascending order.
   */
  conv2dInputGrad(
    ...args: [...geometry: ConvolutionGeometry, dy: Pointer, w: Pointer, dx: Pointer, scratch: Pointer]
  ): void;
  /**
   * Rows [firstRow, firstRow + rows) of dw (kernelHeight·kernelWidth·channels/groups, filters), `dw` pointing at the first of them: the sum over
   * all positions of all images of window·dy, in blocks whose length follows from the shapes alone.
   */
  conv2dWeightGrad(
    ...args: [
      ...geometry: ConvolutionGeometry,
      x: Pointer,
      dy: Pointer,
      firstRow: number,
      rows: number,
      dw: Pointer,
      scratch: Pointer,
    ]
  ): void;
  /**
   * The same with as many groups as channels, so that filter f sees channel ⌊f / (filters / channels)⌋ alone: without a product, and without
   * use of the scratch. Each element is Σ fma(x, w) in ascending (ky, kx).
   */
  depthwiseConv2d: ImageKernels['conv2d'];
  depthwiseConv2dInputGrad: ImageKernels['conv2dInputGrad'];
  /** Each line of an image is summed by itself first. */
  depthwiseConv2dWeightGrad: ImageKernels['conv2dWeightGrad'];
  /** y = largest of each kernelHeight × kernelWidth window; windows lie wholly inside the image */
  maxPool2d(...args: [x: Pointer, y: Pointer, ...geometry: PoolingGeometry]): void;
  /**
   * dx: each window's dy goes to its first largest value, in row-major order. With `rectified` 1, x is what relu gave and dx the gradient in front of
   * it: a window whose largest value is not above 0 passes none on.
   */
  maxPool2dGrad(...args: [x: Pointer, dy: Pointer, dx: Pointer, ...geometry: PoolingGeometry, rectified: number]): void;
  /** y: of each window of g the value where x has its first largest */
  maxPool2dPick(...args: [x: Pointer, g: Pointer, y: Pointer, ...geometry: PoolingGeometry]): void;
  /** y = mean of each kernelHeight × kernelWidth window; windows lie wholly inside the image */
  averagePool2d(...args: [x: Pointer, y: Pointer, ...geometry: PoolingGeometry]): void;
  averagePool2dGrad(...args: [dy: Pointer, dx: Pointer, ...geometry: PoolingGeometry]): void;

  /** y (images, height·factor, width·factor, channels): each pixel of x (images, height, width, channels) factor × factor times */
  upsample2d(
    x: Pointer,
    y: Pointer,
    images: number,
    height: number,
    width: number,
    channels: number,
    factor: number,
  ): void;
  /** dx (images, height, width, channels) = Σ over each pixel's factor × factor copies of dy, in row-major order */
  upsample2dGrad(
    dy: Pointer,
    dx: Pointer,
    images: number,
    height: number,
    width: number,
    channels: number,
    factor: number,
  ): void;
}
