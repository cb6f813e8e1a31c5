import type { Pointer } from './pointer.ts';

/** Element-wise. */
export interface ElementwiseKernels {
  fill(y: Pointer, n: number, value: number): void;
  copy(x: Pointer, y: Pointer, n: number): void;
  /** y (rows, cols; row distance ldy) = x (rows, cols; row distance ldx) */
  copyColumns(x: Pointer, ldx: number, y: Pointer, ldy: number, rows: number, cols: number): void;
  /**
   * y[Σ iₖ·yₖ] = x[Σ iₖ·xₖ] for all i with iₖ < nₖ, k = 0 … 3: cuts a block out of a tensor, puts one into a larger tensor, or puts its
   * dimensions into another order. Distances xₖ and yₖ are in elements.
   */
  copyStrided(
    x: Pointer,
    y: Pointer,
    n0: number,
    n1: number,
    n2: number,
    n3: number,
    x0: number,
    x1: number,
    x2: number,
    x3: number,
    y0: number,
    y1: number,
    y2: number,
    y3: number,
  ): void;
  add(a: Pointer, b: Pointer, y: Pointer, n: number): void;
  sub(a: Pointer, b: Pointer, y: Pointer, n: number): void;
  mul(a: Pointer, b: Pointer, y: Pointer, n: number): void;
  /** y = scale·x + shift */
  affine(x: Pointer, y: Pointer, n: number, scale: number, shift: number): void;
  /** y = 1 where x ≥ limit, else 0 */
  atLeast(x: Pointer, y: Pointer, n: number, limit: number): void;
  /** y = 1 where x is not `value`, else 0 */
  differs(x: Pointer, y: Pointer, n: number, value: number): void;
  /** y = 1/x, 0 where x is 0 */
  reciprocal(x: Pointer, y: Pointer, n: number): void;
  /** y += a·x, a an f64 that is rounded to f32 */
  addScaled(x: Pointer, y: Pointer, n: number, a: number): void;
  /** y (rows,cols) = x (rows,cols) + bias (cols) */
  addBias(x: Pointer, bias: Pointer, y: Pointer, rows: number, cols: number): void;
  /** y (rows,cols) = x (rows,cols) · s (rows) : each row times its own scalar */
  mulRows(x: Pointer, s: Pointer, y: Pointer, rows: number, cols: number): void;
  /** y (rows,cols) = x (rows,cols), or `otherwise` in a row whose mask (rows) is 0 */
  keepRows(x: Pointer, mask: Pointer, y: Pointer, rows: number, cols: number, otherwise: number): void;
  /** y (rows,positions,channels) = x (rows,positions,channels) · s (rows,channels): all positions of a row alike */
  mulChannels(x: Pointer, s: Pointer, y: Pointer, rows: number, positions: number, channels: number): void;

  relu(x: Pointer, y: Pointer, n: number): void;
  leakyRelu(x: Pointer, y: Pointer, n: number, alpha: number): void;
  sigmoid(x: Pointer, y: Pointer, n: number): void;
  tanh(x: Pointer, y: Pointer, n: number): void;
  /** x·Φ(x), exact (erf) */
  geluErf(x: Pointer, y: Pointer, n: number): void;
  /** 0.5·x·(1 + tanh(√(2/π)(x + 0.044715x³))) */
  geluTanh(x: Pointer, y: Pointer, n: number): void;
  /** x above 0, alpha·(e^x − 1) below */
  elu(x: Pointer, y: Pointer, n: number, alpha: number): void;
  /** λ·elu(x) with α of its own (Klambauer et al. 2017) */
  selu(x: Pointer, y: Pointer, n: number): void;
  /** x·sigmoid(x) */
  silu(x: Pointer, y: Pointer, n: number): void;
  /** x·tanh(softplus(x)) */
  mish(x: Pointer, y: Pointer, n: number): void;
  /** ln(1 + e^x) */
  softplus(x: Pointer, y: Pointer, n: number): void;
  /** x/(1 + |x|) */
  softsign(x: Pointer, y: Pointer, n: number): void;
  /** x/6 + ½, clipped to [0, 1] */
  hardSigmoid(x: Pointer, y: Pointer, n: number): void;
  /** x clipped to [−1, 1] */
  hardTanh(x: Pointer, y: Pointer, n: number): void;
  /** x clipped to [0, 6] */
  relu6(x: Pointer, y: Pointer, n: number): void;
  /** x·hardSigmoid(x) */
  hardSilu(x: Pointer, y: Pointer, n: number): void;
  exp(x: Pointer, y: Pointer, n: number): void;
  /** natural logarithm; log(0) = −∞, log(negative) = NaN */
  log(x: Pointer, y: Pointer, n: number): void;

  /** dx = dy where y > 0 else 0; y is relu's output (or input: the sign is the same). Where y is NaN, dy passes. */
  reluGrad(dy: Pointer, y: Pointer, dx: Pointer, n: number): void;
  leakyReluGrad(dy: Pointer, y: Pointer, dx: Pointer, n: number, alpha: number): void;
  /** dx = dy·y(1−y), y the output */
  sigmoidGrad(dy: Pointer, y: Pointer, dx: Pointer, n: number): void;
  /** dx = dy·(1−y²), y the output */
  tanhGrad(dy: Pointer, y: Pointer, dx: Pointer, n: number): void;
  /** x is the input */
  geluErfGrad(dy: Pointer, x: Pointer, dx: Pointer, n: number): void;
  geluTanhGrad(dy: Pointer, x: Pointer, dx: Pointer, n: number): void;
  /** Below 0 and at it: the slope is y + alpha, y the output */
  eluGrad(dy: Pointer, y: Pointer, dx: Pointer, n: number, alpha: number): void;
  seluGrad(dy: Pointer, y: Pointer, dx: Pointer, n: number): void;
  siluGrad(dy: Pointer, x: Pointer, dx: Pointer, n: number): void;
  mishGrad(dy: Pointer, x: Pointer, dx: Pointer, n: number): void;
  /** dx = dy·(1 − e^−y), y the output */
  softplusGrad(dy: Pointer, y: Pointer, dx: Pointer, n: number): void;
  /** dx = dy·(1 − |y|)², y the output */
  softsignGrad(dy: Pointer, y: Pointer, dx: Pointer, n: number): void;
  /** The slope is that between the limits where the output y lies between them, else 0 (at a limit too) */
  hardSigmoidGrad(dy: Pointer, y: Pointer, dx: Pointer, n: number): void;
  hardTanhGrad(dy: Pointer, y: Pointer, dx: Pointer, n: number): void;
  relu6Grad(dy: Pointer, y: Pointer, dx: Pointer, n: number): void;
  /** dx = dy·(x/3 + ½) where −3 < x < 3; 0 below, dy above */
  hardSiluGrad(dy: Pointer, x: Pointer, dx: Pointer, n: number): void;

  /**
   * Inverted dropout: y = x/(1−rate) where a Philox word u ≥ rate·2³², else 0. Element i of the whole tensor uses word i mod 4
   * of the block with counter (⌊i/4⌋, stream, stepLow, stepHigh) under key (seedLow, seedHigh), so it is its own
   * gradient. `firstElement` is the index of x[0] in the whole tensor; `step` points at a StepBlock.
   */
  dropout(
    x: Pointer,
    y: Pointer,
    n: number,
    firstElement: number,
    rate: number,
    seedLow: number,
    seedHigh: number,
    stream: number,
    step: Pointer,
  ): void;
}
