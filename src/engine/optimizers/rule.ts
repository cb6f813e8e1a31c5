import type { KernelName } from '../kernels/abi.ts';

/** What an optimizer does to one parameter, in the terms of its kernel: `kernel(p, g, slots…, n, constants…, hyper)`. */
export interface Rule {
  kernel: KernelName;
  /** the state's tensors in the kernel's order, each of the parameter's shape; null: none, the kernel gets address 0 */
  slots: readonly (string | null)[];
  /** what stays the same in every step */
  constants: readonly number[];
  /** floating-point operations for one element */
  flops: number;
  /**
   * Makes what writes a HyperBlock's words beyond the learning rate and the weight decay (which are there already), for update number `t`
   * (1 for the first). It must give the same for the same `t`, whatever came before.
   */
  createHyper?: () => (block: Float32Array, learningRate: number, t: number) => void;
}
