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

import type { AttentionKernels } from './abi/attention.ts';
import type { BatchKernels } from './abi/batches.ts';
import type { ElementwiseKernels } from './abi/elementwise.ts';
import type { EmbeddingKernels } from './abi/embedding.ts';
import type { ImageKernels } from './abi/images.ts';
import type { NormalizationKernels } from './abi/normalization.ts';
import type { OptimizerKernels } from './abi/optimizers.ts';
import type { ProductKernels } from './abi/products.ts';
import type { RandomKernels } from './abi/randomness.ts';
import type { RecurrentKernels } from './abi/recurrent.ts';
import type { ReductionKernels } from './abi/reductions.ts';
import type { RowKernels } from './abi/rows.ts';

export type { Pointer } from './abi/pointer.ts';

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
  /** B was laid out by packPanels; `ldb` means nothing then */
  packedB: 16,
} as const;

/** Bits of the `flags` argument of recurrent layers. */
export const RecurrentFlag = {
  /** from the last step to the first */
  reverse: 1,
} as const;
/** As the `ignored` label of a kernel: no label is ignored. */
export const NO_LABEL = -(2 ** 31);

/** Byte size of the scratch one thread must hand to `gemm`, which packs in the first 1,186 KiB of it, and to convolutions. */
export const GEMM_SCRATCH_BYTES = 1440 * 1024;
/**
 * Where in the scratch a convolution lays out windows as rows of a matrix, and how many floats fit there: as many positions as fit,
 * at least one (so a window has at most this many values).
 */
export const WINDOWS_OFFSET_BYTES = 1186 * 1024;
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
  /** f32: 1 / rows of the update that this batch is a part of */
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

/** All of them; each family has a file in `abi/`. */
export interface Kernels
  extends ProductKernels,
    RecurrentKernels,
    NormalizationKernels,
    AttentionKernels,
    EmbeddingKernels,
    ImageKernels,
    ElementwiseKernels,
    ReductionKernels,
    RowKernels,
    BatchKernels,
    OptimizerKernels,
    RandomKernels {}

export type KernelName = keyof Kernels;
