import type { Pointer } from './pointer.ts';

/** Normalisation. Where there is a mask (rows, places), places at which it is 0 have no part in moments; it may be 0: all have. */
export interface NormalizationKernels {
  /** y (vectors, 2): mean (0 unless `centered`) and 1/√(mean of (x − mean)² + epsilon) of each vector (cols) */
  vectorMoments(centered: number, x: Pointer, y: Pointer, vectors: number, cols: number, epsilon: number): void;
  /** y = x̂·scale + bias, x̂ = (x − mean)·deviation; scale (cols) and bias (cols) may be 0 for none */
  vectorNorm(
    x: Pointer,
    moments: Pointer,
    scale: Pointer,
    bias: Pointer,
    y: Pointer,
    vectors: number,
    cols: number,
  ): void;
  /** dx = deviation·(g − mean of g − x̂·mean of g·x̂), g = dy·scale; without the first mean unless `centered` */
  vectorNormGrad(
    centered: number,
    dy: Pointer,
    x: Pointer,
    moments: Pointer,
    scale: Pointer,
    dx: Pointer,
    vectors: number,
    cols: number,
  ): void;
  /** dscale (cols) = Σ over vectors of dy·x̂, for `cols` columns of vectors at distance ld */
  vectorScaleGrad(
    dy: Pointer,
    x: Pointer,
    ld: number,
    moments: Pointer,
    dscale: Pointer,
    vectors: number,
    cols: number,
  ): void;
  /** moments (rows, 2, channels): mean and deviation of each channel's group of channels over a row's places */
  groupMoments(
    x: Pointer,
    mask: Pointer,
    moments: Pointer,
    rows: number,
    places: number,
    channels: number,
    groups: number,
    epsilon: number,
  ): void;
  /** mean (cols) and deviation (cols) of columns of x (vectors; distance ld) over all vectors */
  batchMoments(
    x: Pointer,
    ld: number,
    mask: Pointer,
    mean: Pointer,
    deviation: Pointer,
    vectors: number,
    cols: number,
    epsilon: number,
  ): void;
  /** y = x̂·scale + bias by channel; moments (2, channels), those of the next row `ldm` floats on (0: the same for all) */
  channelNorm(
    x: Pointer,
    moments: Pointer,
    ldm: number,
    scale: Pointer,
    bias: Pointer,
    y: Pointer,
    rows: number,
    places: number,
    channels: number,
  ): void;
  /** dscale (cols) = Σ over rows and places of dy·x̂, for `cols` of the channels */
  channelScaleGrad(
    dy: Pointer,
    x: Pointer,
    moments: Pointer,
    ldm: number,
    dscale: Pointer,
    rows: number,
    places: number,
    channels: number,
    cols: number,
  ): void;
  /**
   * dx = deviation·(g − mean of g − x̂·mean of g·x̂), g = dy·scale, means over the group and the row's places; deviation·g at a place that the mask
   * leaves out. `scratch`: 2·channels floats
   */
  groupNormGrad(
    dy: Pointer,
    x: Pointer,
    mask: Pointer,
    moments: Pointer,
    scale: Pointer,
    dx: Pointer,
    rows: number,
    places: number,
    channels: number,
    groups: number,
    scratch: Pointer,
  ): void;
  /**
   * dx = deviation·scale·(dy − dbias/N − x̂·dscale/N), N = places · step.rows, or what `count` points at, unless it is 0; deviation·scale·dy at a
   * place that the mask leaves out. `scratch`: 2·channels floats
   */
  batchNormGrad(
    dy: Pointer,
    x: Pointer,
    mask: Pointer,
    moments: Pointer,
    scale: Pointer,
    dscale: Pointer,
    dbias: Pointer,
    dx: Pointer,
    rows: number,
    places: number,
    channels: number,
    count: Pointer,
    step: Pointer,
    scratch: Pointer,
  ): void;
  /** mean += momentum·(batch mean − mean); variance likewise, the batch's with Bessel's correction over N values, as above */
  updateRunning(
    mean: Pointer,
    variance: Pointer,
    batchMean: Pointer,
    batchDeviation: Pointer,
    cols: number,
    places: number,
    momentum: number,
    epsilon: number,
    count: Pointer,
    step: Pointer,
  ): void;
  /** moments from running statistics: mean, and 1/√(variance + epsilon) */
  runningMoments(
    mean: Pointer,
    variance: Pointer,
    toMean: Pointer,
    toDeviation: Pointer,
    cols: number,
    epsilon: number,
  ): void;
}
