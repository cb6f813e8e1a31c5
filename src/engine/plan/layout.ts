import { GEMM_SCRATCH_BYTES, HyperBlock, StepBlock } from '../kernels/abi.ts';

/**
 * How the one shared memory of a job is laid out:
 *
 *   control words · hyperparameter blocks · per thread: step block, packing scratch, strip · parameters, slots, tables · arena
 *
 * The arena holds what lives within a step; programs that never run at the same time share it.
 */
export const PAGE_BYTES = 65_536;
/** 65,536 pages: all that 32-bit addresses reach. */
export const MAX_MEMORY_BYTES = 65_536 * PAGE_BYTES;
const ALIGNMENT = 64;

/** Bytes [0, 1024) are the team's control words (team/control.ts). */
export const CONTROL_BYTES = 1024;

export function align(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}

export interface FixedRegions {
  /** address of each hyperparameter block */
  hyper: number[];
  /** address of each thread's step block */
  step: number[];
  /** address of each thread's packing scratch */
  scratch: number[];
  /** address of each thread's buffer for what lives within a strip of units */
  strip: number[];
  /** first free byte */
  end: number;
}

export function layoutFixedRegions(threads: number, stripBytes: number, hyperBlocks: number): FixedRegions {
  let end = CONTROL_BYTES;
  const take = (bytes: number) => {
    const address = end;
    end += align(bytes);
    return address;
  };
  const each = (bytes: number) => Array.from({ length: threads }, () => take(bytes));
  return {
    hyper: Array.from({ length: hyperBlocks }, () => take(HyperBlock.words * 4)),
    step: each(StepBlock.words * 4),
    scratch: each(GEMM_SCRATCH_BYTES),
    strip: each(stripBytes),
    end,
  };
}

export class PlanTooLargeError extends Error {
  readonly neededBytes: number;
  readonly limitBytes: number;
  constructor(neededBytes: number, limitBytes: number) {
    const mib = (bytes: number) => `${Math.ceil(bytes / 2 ** 20).toLocaleString('en-US')} MiB`;
    super(`the job needs ${mib(neededBytes)} of memory and may take ${mib(limitBytes)}`);
    this.neededBytes = neededBytes;
    this.limitBytes = limitBytes;
  }
}
