// What recurrent layers have in common. They go step by step: one product with the recurrent weights for all rows, then the gates, which rnn.ts,
// lstm.ts and gru.ts have. What comes from the inputs is in `states` already, from one product over all steps. Layouts are in abi/recurrent.ts.
//
// The product with x is as good as any other; the one with h is (rows of the batch, H) · (H, gates), which packs nothing: its
// weights are packed once for all steps and threads.
//
// Backward passes go through the steps in the other order, and carry from one to the next what flows back through the state. Carries, and the products
// of a step of LSTM, lie in the scratch behind gemm's part of it, for as many rows at a time as fit (WORK_FLOATS). A row always fits: a width that
// filled it would have more than 4 GiB of recurrent weights.

import { copy, copyOrZero } from './elementwise';

/** RecurrentFlag.reverse, a bit of `flags`: from the last step to the first */
// @ts-ignore: decorator
@inline export const REVERSE: u32 = 1;

/** true where a mask says that the step is padding */
// @ts-ignore: decorator
@inline
export function isPadding(mask: usize, row: u32, steps: u32, t: u32): bool {
  return mask != 0 && load<f32>(mask + ((<usize>row * <usize>steps + <usize>t) << 2)) == 0;
}

/** y (rows, steps, width) = the state before each step: `first` (rows, width), or zeros where it is 0, before the first */
export function previousSteps(
  flags: u32,
  x: usize,
  ldx: u32,
  first: usize,
  y: usize,
  rows: u32,
  steps: u32,
  width: u32,
): void {
  const pitchX = <usize>ldx << 2;
  const pitchY = <usize>width << 2;
  const begin: u32 = flags & REVERSE ? steps - 1 : 0;
  for (let r: u32 = 0; r < rows; r++) {
    for (let t: u32 = 0; t < steps; t++) {
      if (t == begin) {
        copyOrZero(first ? first + <usize>r * pitchY : 0, y, width);
      } else copy(flags & REVERSE ? x + pitchX : x - pitchX, y, width);
      x += pitchX;
      y += pitchY;
    }
  }
}
