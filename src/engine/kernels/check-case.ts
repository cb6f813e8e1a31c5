import type { KernelName } from './abi.ts';

/** One call of one kernel on the buffers of a `Stage`, and how far it may be from the naive twin. */
export interface KernelCase {
  kernel: KernelName;
  args: number[];
  /** |actual − expected| ≤ tolerance·max(1, |expected|), for every float of the stage; 0 asks for the same bits */
  tolerance: number;
}
