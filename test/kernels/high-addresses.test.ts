import { expect, it } from 'vitest';
import { WINDOWS_OFFSET_BYTES } from '../../src/engine/kernels/abi.ts';
import { createNaiveKernels } from '../../src/engine/kernels/naive.ts';
import { type CaseSizes, compareOutcome, createStage, type Stage } from '../../src/engine/kernels/self-check.ts';
import { ALL_BUILDS, type AnyKernel, createMemory, instantiateBuild } from './builds.ts';

/**
 * One memory has up to 4 GiB, and its addresses are i32 in a call: above 2 GiB they are negative there. Every kernel does the same at the top
 * of the memory as at its bottom, and where the 2 GiB lie within one of its buffers. The memory is reserved, and all but untouched.
 */
const SIZES = { n: 131, rows: 9, cols: 33, k: 257, offset: 1 } satisfies CaseSizes;
const LIMIT = 2 ** 31;
const TOP = 2 ** 32;

const low = createStage(SIZES);
const high = createStage({ ...SIZES, base: LIMIT });

/** Addresses that a case is given, as they are at the bottom: what changes when the stage is moved. */
function pointersOf(index: number): number[] {
  const { args } = low.cases[index]!;
  return args.filter((argument, i) => argument !== high.cases[index]!.args[i]);
}

/** Where a stage must begin so that the 2 GiB lie `bytes` behind one of its addresses. */
function baseWithin(pointer: number, bytes: number): number {
  return LIMIT - Math.floor((pointer + bytes) / 64) * 64;
}

function compute(stage: Stage, index: number, memory: WebAssembly.Memory, kernels: object, base: number) {
  const { kernel, args } = stage.cases[index]!;
  new Uint8Array(memory.buffer).set(stage.image, base);
  (kernels as Record<string, AnyKernel>)[kernel]!(...args);
  return new Float32Array(memory.buffer, base, stage.image.length / 4);
}

it.each(ALL_BUILDS)('%s kernels do the same at the very top, and with 2 GiB within each buffer', (build) => {
  const twin = createMemory(low.image.length + low.scratchBytes);
  const naive = createNaiveKernels(twin);
  const memory = createMemory(TOP);
  const kernels = instantiateBuild(build, memory);
  const stages = new Map<number, Stage>();
  const stageAt = (base: number) => {
    const stage = stages.get(base) ?? createStage({ ...SIZES, base });
    stages.set(base, stage);
    return stage;
  };
  const top = TOP - Math.ceil((low.image.length + low.scratchBytes) / 64) * 64;
  const wrong: string[] = [];
  low.cases.forEach((one, index) => {
    const expected = compute(low, index, twin, naive, 0);
    const bases = new Set([top, LIMIT]);
    for (const pointer of pointersOf(index)) {
      bases.add(baseWithin(pointer, 64));
      if (pointer < low.image.length) continue;
      // a product's packed panels, and a convolution's windows
      for (const bytes of [1024, WINDOWS_OFFSET_BYTES + 64]) bases.add(baseWithin(pointer, bytes));
    }
    for (const base of bases) {
      const difference = compareOutcome(one, compute(stageAt(base), index, memory, kernels, base), expected);
      if (difference !== null) wrong.push(`${difference}, at ${base}`);
    }
  });
  expect(wrong).toEqual([]);
});
