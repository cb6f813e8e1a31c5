import type { Pointer } from './pointer.ts';

/** Matrix products, and what a core can do of them. */
export interface ProductKernels {
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

  /**
   * `iterations` rounds of 10 independent fused multiply-adds of 8 floats (160 floating-point operations) in registers
   * only; returns a value that depends on them. Measures the core's FMA peak, under the revectorized build.
   */
  fmaPeak(iterations: number): number;
}
