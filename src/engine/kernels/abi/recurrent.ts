import type { Pointer } from './pointer.ts';

/**
 * Recurrent layers. Sequences are (rows, steps, …); flags: RecurrentFlag. `packed` are recurrent weights from packPanels: (width, gates·width) forward, their
 * transpose backward. A `mask` (rows, steps) is 0 at steps that are padding: the state passes them unchanged. A mask or initial state (rows, width)
 * of 0 stands for none. Backward, dz has `lddz` floats a row; where that is more than its steps take, the gradients of the initial state follow.
 */
export interface RecurrentKernels {
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
  /**
   * How hidden states dh (rows, steps, width) move with the sums before the gates, dz as a backward pass gives it, and behind its steps the initial
   * state: the transpose of `rnnBackward`. h′ = (1 − h²)·(z′ + h₋₁′·U); `packed` as forward.
   */
  rnnTangent(
    flags: number,
    rows: number,
    steps: number,
    width: number,
    packed: Pointer,
    dz: Pointer,
    lddz: number,
    states: Pointer,
    mask: Pointer,
    dh: Pointer,
    scratch: Pointer,
  ): void;
  /** The transpose of `lstmBackward`: c′ = f·c₋₁′ + f′·c₋₁ + i·g′ + i′·g, h′ = o′·tanh(c) + o·(1 − tanh²c)·c′ */
  lstmTangent(
    flags: number,
    rows: number,
    steps: number,
    width: number,
    packed: Pointer,
    dz: Pointer,
    lddz: number,
    states: Pointer,
    mask: Pointer,
    c0: Pointer,
    dh: Pointer,
    scratch: Pointer,
  ): void;
  /** The transpose of `gruBackward`: n′ = (1 − n²)·(zₙ′ + r′·q + r·q′), h′ = (1 − z)·n′ + z′·(h₋₁ − n) + z·h₋₁′ */
  gruTangent(
    flags: number,
    rows: number,
    steps: number,
    width: number,
    packed: Pointer,
    dz: Pointer,
    lddz: number,
    states: Pointer,
    mask: Pointer,
    h0: Pointer,
    dh: Pointer,
    scratch: Pointer,
  ): void;
}
