import type { Pointer } from './pointer.ts';

/** Randomness (Philox 4×32-10, Salmon et al. 2011). */
export interface RandomKernels {
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
}
