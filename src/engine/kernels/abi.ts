/**
 * The kernel ABI: what every build of the kernels (three WebAssembly builds and the naive TypeScript twins) offers.
 *
 * Conventions
 * - Every pointer is a byte offset into the job's one shared memory, aligned to the element size (4). Buffers the plan
 *   makes are aligned to 64 bytes, but a pointer into the middle of one (a thread's first row) may have any multiple
 *   of 4, so no kernel may assume more.
 * - Pointers may lie above 2 GiB: they arrive as i32 and are read as u32.
 * - Matrices are row-major; `ld…` is the distance between two rows in elements. `n`, `rows`, `cols` count elements.
 * - A kernel owns no memory: scratch is passed in. No static data.
 * - An output may be the very same buffer as an input of an element-wise kernel (in place), never a shifted overlap.
 * - **Partition invariance.** Every output element is computed by one fixed sequence of operations that depends on
 *   its row and column alone, never on where the caller's range begins or ends, or on alignment. Vector tails use the
 *   same arithmetic as full vectors. This is what makes 1 and 16 threads give the same bits.
 * - Non-finite input gives non-finite output (NaN is never hidden by min/max tricks: relu(NaN) is NaN).
 */

export type Pointer = number;

/** Activation codes of the GEMM epilogue. */
export const Activation = {
  none: 0,
  relu: 1,
  leakyRelu: 2,
  sigmoid: 3,
  tanh: 4,
  geluErf: 5,
  geluTanh: 6,
  elu: 7,
  selu: 8,
  softplus: 9,
  softsign: 10,
  hardSigmoid: 11,
  hardTanh: 12,
  relu6: 13,
} as const;

/** Codes of losses that are a mean over elements, with their constants a and b; e = x − t. */
export const ValueLoss = {
  /** e² */
  squared: 0,
  /** |e|; the gradient at 0 is 0 */
  absolute: 1,
  /** |e| ≤ a: e²/2, else a(|e| − a/2) (torch's HuberLoss) */
  huber: 2,
  /** ln cosh e */
  logCosh: 3,
  /** (1 − a)·e above 0, −a·e below (Koenker & Bassett 1978); the gradient at 0 is 0 */
  quantile: 4,
  /** e^x − t·x, x the logarithm of the rate */
  poisson: 5,
  /** of logits x and t in [0, 1]: a·t·softplus(−x) + (1 − t)·softplus(x), where softplus(x) = ln(1 + e^x) */
  binaryEntropy: 6,
  /** the same with each softplus times the probability of what is wrong to the power of b (Lin et al. 2017) */
  binaryFocal: 7,
} as const;

/** Codes of losses of a batch's rows against each other. */
export const PairLoss = { contrastive: 0, tripletAll: 1, tripletHard: 2 } as const;

/** Bits of the `flags` argument of `gemm`. */
export const GemmFlag = {
  transposeA: 1,
  transposeB: 2,
  /** C += op(A)·op(B) instead of C = op(A)·op(B) */
  accumulate: 4,
  /** add bias[column] after the product */
  bias: 8,
} as const;

/** Bits of the `flags` argument of recurrent layers. */
export const RecurrentFlag = {
  /** from the last step to the first */
  reverse: 1,
} as const;
/** As the `ignored` label of a kernel: no label is ignored. */
export const NO_LABEL = -(2 ** 31);

/** Byte size of the scratch one thread must hand to `gemm`, which packs in the first 1,170 KiB of it, and to convolutions. */
export const GEMM_SCRATCH_BYTES = 1424 * 1024;
/**
 * Where in the scratch a convolution lays out windows as rows of a matrix, and how many floats fit there: as many positions as fit,
 * at least one (so a window has at most this many values).
 */
export const WINDOWS_OFFSET_BYTES = 1170 * 1024;
export const WINDOWS_MAX_FLOATS = (GEMM_SCRATCH_BYTES - WINDOWS_OFFSET_BYTES) / 4;

/**
 * Words of a step block: a small struct, one per thread, that tells kernels what changes from step to step.
 * Word index × 4 = byte offset.
 */
export const StepBlock = {
  /** u32: rows in this batch */
  rows: 0,
  /** u32: index into the row order where this batch begins */
  first: 1,
  /** u32, u32: step counter, part of the random counter */
  stepLow: 2,
  stepHigh: 3,
  /** f32: 1 / rows */
  inverseRows: 4,
  /** f32: 1 / Σ of what the rows count for in the mean of the loss; 0 where that is 0 */
  inverseWeight: 5,
  words: 16,
} as const;

/** Words of a hyperparameter block (optimizers/groups.ts says whose); all f32, rewritten by the leader every step. */
export const HyperBlock = {
  learningRate: 0,
  weightDecay: 1,
  /** 1 − β₁ᵗ and 1 − β₂ᵗ of the Adam family */
  biasCorrection1: 2,
  biasCorrection2: 3,
  /** what NAdam multiplies the gradient and the first moment with; RAdam uses the latter */
  gradientRate: 4,
  momentRate: 5,
  /** RAdam: 0 while there are too few steps to tell the variance, then 1 */
  adaptive: 6,
  /** of a batch that is taken in parts, 0 for the first: its gradient takes the place of what was accumulated before; then 1 */
  isAccumulated: 7,
  words: 16,
} as const;

export interface Kernels {
  // ---- matrix product -------------------------------------------------------------------------------------------
  /**
   * C (m,n) = activation(op(A) (m,k) · op(B) (k,n) [+ C] [+ bias (n)]).
   * Each C element: for each block of KC along k, acc = Σ fma(a, b) in ascending k from 0; then the blocks' sums are
   * added to C in ascending order.
   * `alpha` is leakyRelu's slope and elu's limit. `scratch` has GEMM_SCRATCH_BYTES. C must not overlap A, B or bias.
   */
  gemm(
    flags: number,
    m: number,
    n: number,
    k: number,
    a: Pointer,
    lda: number,
    b: Pointer,
    ldb: number,
    c: Pointer,
    ldc: number,
    bias: Pointer,
    activation: number,
    alpha: number,
    scratch: Pointer,
  ): void;

  /**
   * Panels [first, first + panels) of op(B) (k, n) in the order in which products read them: for each block of 256 along k, panels of
   * 16 columns, each (block, 16). `to` (k × n rounded up to 16) is the whole; columns past n are left as they are. flags: transposeB.
   */
  packPanels(
    flags: number,
    b: Pointer,
    ldb: number,
    k: number,
    n: number,
    first: number,
    panels: number,
    to: Pointer,
  ): void;

  // ---- recurrent layers -----------------------------------------------------------------------------------------
  // Sequences are (rows, steps, …); flags: RecurrentFlag. `packed` are recurrent weights from packPanels: (width, gates·width) forward, their
  // transpose backward. A `mask` (rows, steps) is 0 at steps that are padding: the state passes them unchanged. A mask or initial state (rows, width)
  // of 0 stands for none. Backward, dz has `lddz` floats a row; where that is more than its steps take, the gradients of the initial state follow.

  /** y (rows, steps, width) = x's vector (step distance ldx) one step before; `first` (rows, width) before the first, or zeros */
  previousSteps(
    flags: number,
    x: Pointer,
    ldx: number,
    first: Pointer,
    y: Pointer,
    rows: number,
    steps: number,
    width: number,
  ): void;
  /** Elman's: h = tanh(z + h₋₁·U), in place: `states` (rows, steps, width) has z = x·W + b */
  rnnForward(
    flags: number,
    rows: number,
    steps: number,
    width: number,
    packed: Pointer,
    states: Pointer,
    mask: Pointer,
    h0: Pointer,
    scratch: Pointer,
  ): void;
  /** dz (rows, steps, width) from dh (rows, steps, width); then dh0 */
  rnnBackward(
    flags: number,
    rows: number,
    steps: number,
    width: number,
    packed: Pointer,
    dh: Pointer,
    states: Pointer,
    mask: Pointer,
    dz: Pointer,
    lddz: number,
    scratch: Pointer,
  ): void;
  /**
   * LSTM (Hochreiter & Schmidhuber 1997, with Gers' forget gate): i, f, o = σ(z + h₋₁·U), g = tanh(z + h₋₁·U), c = f·c₋₁ + i·g, h = o·tanh(c).
   * `states` (rows, steps, 6·width) is [i f g o | c | h]; its gates have z = x·W + b at the beginning.
   */
  lstmForward(
    flags: number,
    rows: number,
    steps: number,
    width: number,
    packed: Pointer,
    states: Pointer,
    mask: Pointer,
    h0: Pointer,
    c0: Pointer,
    scratch: Pointer,
  ): void;
  /** dz (rows, steps, 4·width) from dh (rows, steps, width); then dh0, dc0 */
  lstmBackward(
    flags: number,
    rows: number,
    steps: number,
    width: number,
    packed: Pointer,
    dh: Pointer,
    states: Pointer,
    mask: Pointer,
    c0: Pointer,
    dz: Pointer,
    lddz: number,
    scratch: Pointer,
  ): void;
  /**
   * GRU (Cho et al. 2014; the reset gate after the product, as torch and cuDNN have it): r, z = σ(x-part + h₋₁·U), q = h₋₁·U + bias,
   * n = tanh(x-part + r·q), h = (1−z)·n + z·h₋₁. `states` (rows, steps, 5·width) is [r z q n | h]; r, z and n have x·W + b at the beginning.
   */
  gruForward(
    flags: number,
    rows: number,
    steps: number,
    width: number,
    packed: Pointer,
    bias: Pointer,
    states: Pointer,
    mask: Pointer,
    h0: Pointer,
    scratch: Pointer,
  ): void;
  /** dz (rows, steps, 4·width) = [dr dz dq dn] from dh (rows, steps, width); then dh0 */
  gruBackward(
    flags: number,
    rows: number,
    steps: number,
    width: number,
    packed: Pointer,
    dh: Pointer,
    states: Pointer,
    mask: Pointer,
    h0: Pointer,
    dz: Pointer,
    lddz: number,
    scratch: Pointer,
  ): void;

  // ---- normalisation --------------------------------------------------------------------------------------------
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
  /** dx = deviation·(g − mean of g − x̂·mean of g·x̂), g = dy·scale, means over the group and the row's places. `scratch`: 2·channels floats */
  groupNormGrad(
    dy: Pointer,
    x: Pointer,
    moments: Pointer,
    scale: Pointer,
    dx: Pointer,
    rows: number,
    places: number,
    channels: number,
    groups: number,
    scratch: Pointer,
  ): void;
  /** dx = deviation·scale·(dy − dbias/N − x̂·dscale/N), N = places · step.rows. `scratch`: 2·channels floats */
  batchNormGrad(
    dy: Pointer,
    x: Pointer,
    moments: Pointer,
    scale: Pointer,
    dscale: Pointer,
    dbias: Pointer,
    dx: Pointer,
    rows: number,
    places: number,
    channels: number,
    step: Pointer,
    scratch: Pointer,
  ): void;
  /** mean += momentum·(batch mean − mean); variance likewise, the batch's with Bessel's correction over places · step.rows values */
  updateRunning(
    mean: Pointer,
    variance: Pointer,
    batchMean: Pointer,
    batchDeviation: Pointer,
    cols: number,
    places: number,
    momentum: number,
    epsilon: number,
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

  // ---- attention ------------------------------------------------------------------------------------------------
  /**
   * y (rows, querySteps, heads·depth) = softmax(q·kᵀ/√depth)·v for each head (Vaswani et al. 2017). q (rows, querySteps, …), vectors `ldq` apart; k and v
   * (rows, keySteps, …), `ldk` apart; `keyHeads` heads of keys and values are shared by heads/keyHeads heads each. causal: query i sees keys
   * 0 … i + keySteps − querySteps. mask (rows, keySteps): 0 at keys that count for nothing; a query that sees no key gives zeros.
   */
  attention(
    causal: number,
    rows: number,
    querySteps: number,
    keySteps: number,
    heads: number,
    keyHeads: number,
    depth: number,
    q: Pointer,
    ldq: number,
    k: Pointer,
    v: Pointer,
    ldk: number,
    mask: Pointer,
    y: Pointer,
    scratch: Pointer,
  ): void;
  /**
   * Causal attention of texts that go on by `steps` steps each. x (rows, steps, (heads + 2·keyHeads)·depth) is [q | k | v]. Row r's keys and values are first
   * put into cache (slots, context, 2·keyHeads·depth) at slot slots[r], from place positions[r, 0] on; then its queries see all from place 0 to their own. A
   * mask (rows, steps) goes into kept (slots, context) in the same way; 0 and 0: none. slots (rows) and positions (rows, steps) are floats, and every place
   * must lie within the cache. Else as `attention`, to the same bits.
   */
  cachedAttention(
    rows: number,
    steps: number,
    heads: number,
    keyHeads: number,
    depth: number,
    x: Pointer,
    slots: Pointer,
    positions: Pointer,
    cache: Pointer,
    context: number,
    mask: Pointer,
    kept: Pointer,
    y: Pointer,
    scratch: Pointer,
  ): void;
  /** dq, dk and dv, laid out as q, k and v are; from one row to the next rowBytesOfDq and rowBytesOfDk bytes */
  attentionGrad(
    causal: number,
    rows: number,
    querySteps: number,
    keySteps: number,
    heads: number,
    keyHeads: number,
    depth: number,
    dy: Pointer,
    q: Pointer,
    ldq: number,
    k: Pointer,
    v: Pointer,
    ldk: number,
    mask: Pointer,
    dq: Pointer,
    dk: Pointer,
    dv: Pointer,
    rowBytesOfDq: number,
    rowBytesOfDk: number,
    scratch: Pointer,
  ): void;
  /**
   * Rotary positions (Su et al. 2021): the first `heads` heads of each vector of `ld` are turned, the pair (j, j + depth/2) at step t by the angle whose
   * cosine and sine are table[t, j] and table[t, j + depth/2]; sign −1 turns back. What follows is copied.
   */
  rotary(
    x: Pointer,
    table: Pointer,
    y: Pointer,
    rows: number,
    steps: number,
    heads: number,
    depth: number,
    ld: number,
    sign: number,
  ): void;

  // ---- embedding ------------------------------------------------------------------------------------------------
  /** y (n, cols) = row ids[i] of table (size, cols); ids are floats; one outside [0, size) gives a row of NaN */
  embed(ids: Pointer, table: Pointer, y: Pointer, n: number, size: number, cols: number): void;
  /** The other way: row ids[i] of table (size, cols) = x (n, cols); one outside [0, size) goes nowhere, and of equal ids the last counts */
  storeRows(ids: Pointer, x: Pointer, table: Pointer, n: number, size: number, cols: number): void;
  /** dtable (rows, cols) = rows [first, first + rows) of the table's gradient: Σ of dy (n, cols) where ids[i] is the row, in ascending i */
  embedGrad(ids: Pointer, dy: Pointer, dtable: Pointer, n: number, first: number, rows: number, cols: number): void;

  // ---- convolution and pooling (images: height × width × channels, "NHWC") ------------------------------------------
  /**
   * Cross-correlation, what the field calls convolution: y (images, outHeight, outWidth, filters) =
   * activation(Σ over ky, kx, c of x (images, oy·strideHeight + ky·dilationHeight − padTop, ox·strideWidth + kx·dilationWidth − padLeft, c) ·
   * w (ky, kx, c, filters) [+ bias (filters)]), zeros outside the image. flags: GemmFlag.bias. Sums as in `gemm`, with k = (ky, kx, c).
   * With `groups`, each run of filters / groups filters sees the run of channels / groups channels at the same place, and c counts within it.
   */
  conv2d(
    flags: number,
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
    x: Pointer,
    w: Pointer,
    y: Pointer,
    bias: Pointer,
    activation: number,
    alpha: number,
    scratch: Pointer,
  ): void;
  /**
   * dx (images, height, width, channels): each position's dy·wᵀ is added where its window lies, positions in ascending order.
   */
  conv2dInputGrad(
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
    dy: Pointer,
    w: Pointer,
    dx: Pointer,
    scratch: Pointer,
  ): void;
  /**
   * Rows [firstRow, firstRow + rows) of dw (kernelHeight·kernelWidth·channels/groups, filters), `dw` pointing at the first of them: the sum over
   * all positions of all images of window·dy, in blocks whose length follows from the shapes alone.
   */
  conv2dWeightGrad(
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
    x: Pointer,
    dy: Pointer,
    firstRow: number,
    rows: number,
    dw: Pointer,
    scratch: Pointer,
  ): void;
  /**
   * The same with as many groups as channels, so that filter f sees channel ⌊f / (filters / channels)⌋ alone: without a product, and without
   * use of the scratch. Each element is Σ fma(x, w) in ascending (ky, kx).
   */
  depthwiseConv2d: Kernels['conv2d'];
  depthwiseConv2dInputGrad: Kernels['conv2dInputGrad'];
  /** Each line of an image is summed by itself first. */
  depthwiseConv2dWeightGrad: Kernels['conv2dWeightGrad'];
  /** y = largest of each kernelHeight × kernelWidth window; windows lie wholly inside the image */
  maxPool2d(
    x: Pointer,
    y: Pointer,
    images: number,
    height: number,
    width: number,
    channels: number,
    kernelHeight: number,
    kernelWidth: number,
    strideHeight: number,
    strideWidth: number,
  ): void;
  /**
   * dx: each window's dy goes to its first largest value, in row-major order. With `rectified` 1, x is what relu gave and dx the gradient in front of
   * it: a window whose largest value is not above 0 passes none on.
   */
  maxPool2dGrad(
    x: Pointer,
    dy: Pointer,
    dx: Pointer,
    images: number,
    height: number,
    width: number,
    channels: number,
    kernelHeight: number,
    kernelWidth: number,
    strideHeight: number,
    strideWidth: number,
    rectified: number,
  ): void;
  /** y = mean of each kernelHeight × kernelWidth window; windows lie wholly inside the image */
  averagePool2d(
    x: Pointer,
    y: Pointer,
    images: number,
    height: number,
    width: number,
    channels: number,
    kernelHeight: number,
    kernelWidth: number,
    strideHeight: number,
    strideWidth: number,
  ): void;
  averagePool2dGrad(
    dy: Pointer,
    dx: Pointer,
    images: number,
    height: number,
    width: number,
    channels: number,
    kernelHeight: number,
    kernelWidth: number,
    strideHeight: number,
    strideWidth: number,
  ): void;

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

  // ---- element-wise ---------------------------------------------------------------------------------------------
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
  /** y += a·x, a an f64 that is rounded to f32 */
  addScaled(x: Pointer, y: Pointer, n: number, a: number): void;
  /** y (rows,cols) = x (rows,cols) + bias (cols) */
  addBias(x: Pointer, bias: Pointer, y: Pointer, rows: number, cols: number): void;
  /** y (rows,cols) = x (rows,cols) · s (rows) : each row times its own scalar */
  mulRows(x: Pointer, s: Pointer, y: Pointer, rows: number, cols: number): void;
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

  // ---- reductions -----------------------------------------------------------------------------------------------
  /** y (cols) = Σ over rows of x (rows, cols; row distance ldx), rows in ascending order */
  columnSum(x: Pointer, ldx: number, y: Pointer, rows: number, cols: number): void;
  /** y (rows) = Σ x·0 over cols: 0, and NaN where a value of the row is none or infinite */
  notFinite(x: Pointer, y: Pointer, rows: number, cols: number): void;
  /** y[i] = Σ squares of chunk i of x: `chunk` elements each, the last one shorter; for i in [firstChunk, firstChunk+chunks) of a tensor of n */
  sumSquaresChunks(x: Pointer, n: number, chunk: number, firstChunk: number, chunks: number, y: Pointer): void;
  /** the same for the products of x and z */
  dotChunks(x: Pointer, z: Pointer, n: number, chunk: number, firstChunk: number, chunks: number, y: Pointer): void;
  /** y[0] = min(1, maxNorm / (√(Σ partials) + 1e-6)), torch's clip_grad_norm_; partials are summed in f64, in order */
  clipScale(partials: Pointer, count: number, maxNorm: number, y: Pointer): void;
  /** y = x·s[0] */
  scaleBy(x: Pointer, s: Pointer, y: Pointer, n: number): void;
  /** y = min(max(x, −limit), limit); NaN stays NaN */
  clipValue(x: Pointer, y: Pointer, n: number, limit: number): void;

  // ---- rows -----------------------------------------------------------------------------------------------------
  softmax(x: Pointer, y: Pointer, rows: number, cols: number): void;
  /** dx = y·(dy − Σ dy·y), y the output */
  softmaxGrad(dy: Pointer, y: Pointer, dx: Pointer, rows: number, cols: number): void;
  /** y = ln softmax(x) */
  logSoftmax(x: Pointer, y: Pointer, rows: number, cols: number): void;
  /** dx = dy − e^y·Σ dy, y the output */
  logSoftmaxGrad(dy: Pointer, y: Pointer, dx: Pointer, rows: number, cols: number): void;
  /**
   * loss (rows) = mean over positions of the cross-entropy of x (rows, positions, cols) against labels i32 (rows, positions), torch's:
   * (1 − ε)·w[label]·ℓ[label] + ε/cols·Σ w[j]·ℓ[j], ℓ[j] = logΣexp(x) − x[j]. `weights` w (cols) may be 0: all 1. A label that is
   * `ignored` (`NO_LABEL`: none is) has loss 0 and no gradient; any other outside [0, cols) gives NaN.
   */
  softmaxCrossEntropy(
    x: Pointer,
    labels: Pointer,
    weights: Pointer,
    loss: Pointer,
    rows: number,
    positions: number,
    cols: number,
    ignored: number,
    smoothing: number,
  ): void;
  /**
   * With k = (1 − ε)·w[label] + ε/cols·Σ w: dx[j] = (k·softmax(x)[j] − (1 − ε)·w[label]·[j = label] − ε/cols·w[j])·dloss[row]/positions
   */
  softmaxCrossEntropyGrad(
    x: Pointer,
    labels: Pointer,
    weights: Pointer,
    dloss: Pointer,
    dx: Pointer,
    rows: number,
    positions: number,
    cols: number,
    ignored: number,
    smoothing: number,
  ): void;
  /** Its curvature by x times v (rows, positions, cols): with k as above and p = softmax(x), dx[j] = k·p[j]·(v[j] − Σ p·v)·dloss[row]/positions */
  softmaxCrossEntropyBend(
    x: Pointer,
    labels: Pointer,
    weights: Pointer,
    dloss: Pointer,
    v: Pointer,
    dx: Pointer,
    rows: number,
    positions: number,
    cols: number,
    ignored: number,
    smoothing: number,
  ): void;
  /** softmaxCrossEntropy without smoothing, each position's loss times q^γ, q the probability of all classes but its own (Lin et al. 2017) */
  focalCrossEntropy(
    x: Pointer,
    labels: Pointer,
    weights: Pointer,
    loss: Pointer,
    rows: number,
    positions: number,
    cols: number,
    ignored: number,
    gamma: number,
  ): void;
  /** dx[j] = w[label]·q^γ·(1 + γ·(1 − q)·ℓ/q)·(softmax(x)[j] − [j = label])·dloss[row]/positions, ℓ = −ln(1 − q) */
  focalCrossEntropyGrad(
    x: Pointer,
    labels: Pointer,
    weights: Pointer,
    dloss: Pointer,
    dx: Pointer,
    rows: number,
    positions: number,
    cols: number,
    ignored: number,
    gamma: number,
  ): void;
  /**
   * loss (rows) = mean over positions and cols of w[label]·max(0, margin + x[j] − x[label])^power, j ≠ label, power 1 or 2 (torch's
   * MultiMarginLoss); weights, ignored and labels outside as in softmaxCrossEntropy. The gradient at 0 is 0.
   */
  marginLoss(
    x: Pointer,
    labels: Pointer,
    weights: Pointer,
    loss: Pointer,
    rows: number,
    positions: number,
    cols: number,
    ignored: number,
    margin: number,
    power: number,
  ): void;
  marginLossGrad(
    x: Pointer,
    labels: Pointer,
    weights: Pointer,
    dloss: Pointer,
    dx: Pointer,
    rows: number,
    positions: number,
    cols: number,
    ignored: number,
    margin: number,
    power: number,
  ): void;
  /** loss (rows) = mean over cols of f(x, t), f by its code (ValueLoss) */
  valueLoss(
    code: number,
    x: Pointer,
    t: Pointer,
    loss: Pointer,
    rows: number,
    cols: number,
    a: number,
    b: number,
  ): void;
  /** dx = f'(x, t)·dloss[row]/cols */
  valueLossGrad(
    code: number,
    x: Pointer,
    t: Pointer,
    dloss: Pointer,
    dx: Pointer,
    rows: number,
    cols: number,
    a: number,
    b: number,
  ): void;
  /** dx = f''(x, t)·v·dloss[row]/cols; 0 where f is straight, and for binaryFocal, which is not convex */
  valueLossBend(
    code: number,
    x: Pointer,
    t: Pointer,
    dloss: Pointer,
    v: Pointer,
    dx: Pointer,
    rows: number,
    cols: number,
    a: number,
    b: number,
  ): void;
  /** loss (rows) = Σ t·(ln t − ln softmax(x)): Kullback & Leibler's divergence of softmax(x) from t (rows, cols), where t = 0 adds nothing */
  divergence(x: Pointer, t: Pointer, loss: Pointer, rows: number, cols: number): void;
  /** dx = (softmax(x)·Σ t − t)·dloss[row] */
  divergenceGrad(x: Pointer, t: Pointer, dloss: Pointer, dx: Pointer, rows: number, cols: number): void;
  /** loss (rows) = 1 − x·t/(‖x‖·‖t‖); 1, without a gradient, where either is 0 */
  cosineLoss(x: Pointer, t: Pointer, loss: Pointer, rows: number, cols: number): void;
  /** dx = (cos·x/‖x‖² − t/(‖x‖·‖t‖))·dloss[row] */
  cosineLossGrad(x: Pointer, t: Pointer, dloss: Pointer, dx: Pointer, rows: number, cols: number): void;
  /**
   * loss (rows) of embeddings x (rows, cols), the whole batch, by their distances d to rows with the same label and with others:
   * contrastive (Hadsell, Chopra & LeCun 2006), mean over all other rows of d² where the label is the same, else of max(0, margin − d)²;
   * tripletAll and tripletHard (Schroff et al. 2015; Hermans et al. 2017), max(0, margin + d[p] − d[n]) as the mean over every p of the same label
   * and n of another, or of the furthest p and the nearest n (the first of equals); 0 where there is no p or no n. `scratch`: 2·rows floats.
   */
  pairLoss(
    code: number,
    x: Pointer,
    labels: Pointer,
    loss: Pointer,
    rows: number,
    cols: number,
    margin: number,
    scratch: Pointer,
  ): void;
  /** dx (rows, cols) = Σ over rows of dloss[row]·∂loss[row]/∂x; a distance of 0 has no direction, and no gradient */
  pairLossGrad(
    code: number,
    x: Pointer,
    labels: Pointer,
    dloss: Pointer,
    dx: Pointer,
    rows: number,
    cols: number,
    margin: number,
    scratch: Pointer,
  ): void;
  /** y (rows) = share of positions at which the first largest of x is at the label; not where x has NaN, nor where it is `ignored` */
  correct(
    x: Pointer,
    labels: Pointer,
    y: Pointer,
    rows: number,
    positions: number,
    cols: number,
    ignored: number,
  ): void;

  // ---- batches --------------------------------------------------------------------------------------------------
  /** y (rows,cols) = cols values from table[order[step.first + firstRow + r] · stride] on ; table f32, order u32 */
  gatherRows(
    table: Pointer,
    order: Pointer,
    y: Pointer,
    firstRow: number,
    rows: number,
    cols: number,
    stride: number,
    step: Pointer,
  ): void;
  /** the same from bytes: y = scale·u8 + shift */
  gatherRowsU8(
    table: Pointer,
    order: Pointer,
    y: Pointer,
    firstRow: number,
    rows: number,
    cols: number,
    stride: number,
    scale: number,
    shift: number,
    step: Pointer,
  ): void;
  /** y (n) = step.inverseWeight */
  fillInverseWeight(y: Pointer, n: number, step: Pointer): void;
  /** y[0] = step.inverseWeight · Σ x (step.rows), summed in f64 in ascending order */
  meanRows(x: Pointer, y: Pointer, step: Pointer): void;

  // ---- optimizers (p updated in place; `hyper` points at a HyperBlock) --------------------------------------------
  /** y = g, and + sum where isAccumulated is not 0 */
  accumulate(g: Pointer, sum: Pointer, y: Pointer, n: number, hyper: Pointer): void;
  /** g' = g + weightDecay·p; p −= learningRate·g' */
  sgdUpdate(p: Pointer, g: Pointer, n: number, hyper: Pointer): void;
  /** g' = g + weightDecay·p; v = momentum·v + g'; p −= learningRate·(nesterov ? g' + momentum·v : v) (torch's form) */
  momentumUpdate(
    p: Pointer,
    g: Pointer,
    v: Pointer,
    n: number,
    momentum: number,
    nesterov: number,
    hyper: Pointer,
  ): void;
  /**
   * Adam (Kingma & Ba 2015), torch's form: m = m + (1−β₁)(g−m); v = β₂v + (1−β₂)g²;
   * p −= (lr/bias1)·m / (√v/√bias2 + ε). β and ε are f64: 1 − β is taken before rounding.
   * decoupled = 1: AdamW, p *= 1 − lr·weightDecay first; 0: g += weightDecay·p.
   */
  adamUpdate(
    p: Pointer,
    g: Pointer,
    m: Pointer,
    v: Pointer,
    n: number,
    beta1: number,
    beta2: number,
    epsilon: number,
    decoupled: number,
    hyper: Pointer,
  ): void;

  /** AMSGrad (Reddi et al. 2018), torch's form: as adamUpdate, but √v is √x with x = max(x, v) */
  amsgradUpdate(
    p: Pointer,
    g: Pointer,
    m: Pointer,
    v: Pointer,
    x: Pointer,
    n: number,
    beta1: number,
    beta2: number,
    epsilon: number,
    decoupled: number,
    hyper: Pointer,
  ): void;
  /** Adamax (Kingma & Ba 2015): m as Adam's; u = max(β₂u, |g'| + ε); p −= (lr/bias1)·m / u. g' = g + weightDecay·p */
  adamaxUpdate(
    p: Pointer,
    g: Pointer,
    m: Pointer,
    u: Pointer,
    n: number,
    beta1: number,
    beta2: number,
    epsilon: number,
    hyper: Pointer,
  ): void;
  /**
   * NAdam (Dozat 2016): g', m and v as Adam's; p −= (gradientRate·g' + momentRate·m) / (√v/√bias2 + ε), where the rates
   * hold the learning rate and the schedule of β₁.
   */
  nadamUpdate(
    p: Pointer,
    g: Pointer,
    m: Pointer,
    v: Pointer,
    n: number,
    beta1: number,
    beta2: number,
    epsilon: number,
    hyper: Pointer,
  ): void;
  /**
   * RAdam (Liu et al. 2020): g', m and v as Adam's; p −= momentRate·m / (√v + ε), without the division while `adaptive`
   * is 0. The rate holds the learning rate, the rectification and the bias corrections.
   */
  radamUpdate(
    p: Pointer,
    g: Pointer,
    m: Pointer,
    v: Pointer,
    n: number,
    beta1: number,
    beta2: number,
    epsilon: number,
    hyper: Pointer,
  ): void;
  /**
   * Lion (Chen et al. 2023): c = m + (1−β₁)(g−m); p = (1 − lr·weightDecay)·p − lr·sign(c); m += (1−β₂)(g−m).
   * The sign of 0 is 0, that of NaN is NaN.
   */
  lionUpdate(p: Pointer, g: Pointer, m: Pointer, n: number, beta1: number, beta2: number, hyper: Pointer): void;
  /**
   * LAMB (You et al. 2020), first pass: m and v as Adam's, of the bare g; u = (m/bias1) / (√v/√bias2 + ε) + weightDecay·p.
   * p is only read.
   */
  lambDirection(
    p: Pointer,
    g: Pointer,
    m: Pointer,
    v: Pointer,
    u: Pointer,
    n: number,
    beta1: number,
    beta2: number,
    epsilon: number,
    hyper: Pointer,
  ): void;
  /**
   * LAMB, second pass: p −= lr·r·u with r = ‖p‖/‖u‖, or 1 where either is 0. The norms are those of whole tensors: `count`
   * sums of squares each (sumSquaresChunks), added in f64, in order.
   */
  lambUpdate(
    p: Pointer,
    u: Pointer,
    n: number,
    parameterSquares: Pointer,
    directionSquares: Pointer,
    count: number,
    hyper: Pointer,
  ): void;
  /** Adagrad (Duchi et al. 2011): g' = g + weightDecay·p; v += g'²; p −= lr·g' / (√(v + initial) + ε) */
  adagradUpdate(p: Pointer, g: Pointer, v: Pointer, n: number, initial: number, epsilon: number, hyper: Pointer): void;
  /**
   * Adadelta (Zeiler 2012): g' = g + weightDecay·p; v = ρv + (1−ρ)g'²; δ = g'·√((d + ε)/(v + ε)); d = ρd + (1−ρ)δ²;
   * p −= lr·δ
   */
  adadeltaUpdate(
    p: Pointer,
    g: Pointer,
    v: Pointer,
    d: Pointer,
    n: number,
    rho: number,
    epsilon: number,
    hyper: Pointer,
  ): void;
  /**
   * RMSprop (Tieleman & Hinton 2012), torch's form: g' = g + weightDecay·p; v = αv + (1−α)g'²; s = g' / (√v + ε).
   * With an `average` a (Graves 2013): a += (1−α)(g'−a) and v − a² in place of v, 0 where rounding makes it negative.
   * With a `velocity` b: b = momentum·b + s; s = b. Then p −= lr·s. A pointer of 0 stands for none.
   */
  rmspropUpdate(
    p: Pointer,
    g: Pointer,
    v: Pointer,
    average: Pointer,
    velocity: Pointer,
    n: number,
    alpha: number,
    epsilon: number,
    momentum: number,
    hyper: Pointer,
  ): void;

  /** a += (1 − decay)·(p − a): the running mean of p */
  averageUpdate(p: Pointer, a: Pointer, n: number, decay: number): void;

  // ---- randomness (Philox 4×32-10, Salmon et al. 2011) -------------------------------------------------------------
  /**
   * y[i] uniform in [low, high), below `high` after rounding too: word (first+i) mod 4 of counter
   * (⌊(first+i)/4⌋, stream, stepLow, stepHigh); 24 bits
   */
  randomUniform(
    y: Pointer,
    n: number,
    first: number,
    low: number,
    high: number,
    seedLow: number,
    seedHigh: number,
    stream: number,
    stepLow: number,
    stepHigh: number,
  ): void;
  /** Box–Muller on pairs of words of the same block: element 2j takes the cosine, 2j+1 the sine */
  randomNormal(
    y: Pointer,
    n: number,
    first: number,
    mean: number,
    deviation: number,
    seedLow: number,
    seedHigh: number,
    stream: number,
    stepLow: number,
    stepHigh: number,
  ): void;

  /**
   * `iterations` rounds of 10 independent fused multiply-adds of 8 floats (160 floating-point operations) in registers
   * only; returns a value that depends on them. Measures the core's FMA peak, under the revectorized build.
   */
  fmaPeak(iterations: number): number;
}

export type KernelName = keyof Kernels;
