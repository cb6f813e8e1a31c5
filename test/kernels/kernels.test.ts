import { describe, expect, it } from 'vitest';
import type { KernelName, Kernels } from '../../src/engine/kernels/abi.ts';
import { createNaiveKernels } from '../../src/engine/kernels/naive.ts';
import { type CaseSizes, compareOutcome, createStage } from '../../src/engine/kernels/self-check.ts';
import { type AnyKernel, createMemory, instantiateBuild, WASM_BUILDS } from './builds.ts';

const SIZES: CaseSizes[] = [
  { n: 1, rows: 1, cols: 1, k: 1, offset: 0 },
  { n: 3, rows: 2, cols: 3, k: 2, offset: 1 },
  { n: 5, rows: 5, cols: 16, k: 3, offset: 2 },
  { n: 8, rows: 4, cols: 15, k: 17, offset: 3 },
  { n: 16, rows: 6, cols: 17, k: 5, offset: 0 },
  { n: 63, rows: 11, cols: 10, k: 255, offset: 1 },
  { n: 131, rows: 32, cols: 16, k: 256, offset: 2 },
  { n: 1000, rows: 9, cols: 33, k: 257, offset: 3 },
  { n: 257, rows: 23, cols: 70, k: 40, offset: 1 },
];

describe.each(WASM_BUILDS)('%s kernels', (build) => {
  it.each(SIZES)('agree with their naive twins at %o', (sizes) => {
    const stage = createStage(sizes, sizes.n);
    const bytes = stage.image.length + stage.scratchBytes;
    const [memory, twin] = [createMemory(bytes), createMemory(bytes)];
    const kernels = instantiateBuild(build, memory);
    const naive = createNaiveKernels(twin);
    for (const one of stage.cases) {
      new Uint8Array(memory.buffer).set(stage.image);
      new Uint8Array(twin.buffer).set(stage.image);
      (kernels[one.kernel] as AnyKernel)(...one.args);
      (naive[one.kernel] as AnyKernel)(...one.args);
      const [actual, expected] = [memory, twin].map((m) => new Float32Array(m.buffer, 0, stage.image.length / 4));
      expect(compareOutcome(one, actual, expected)).toBeNull();
    }
  });

  it('are all there, and all are checked', () => {
    const memory = createMemory(65536);
    const naive = Object.keys(createNaiveKernels(memory)).sort();
    const wasm = Object.keys(instantiateBuild(build, memory)).sort() as (keyof Kernels)[];
    expect(wasm).toEqual(naive);
    const checked = new Set<KernelName>(createStage(SIZES[0]).cases.map((one) => one.kernel));
    expect(wasm.filter((name) => !checked.has(name))).toEqual(['fmaPeak']);
  });

  it('measure the peak of the core', () => {
    const { fmaPeak } = instantiateBuild(build, createMemory(65536));
    expect(fmaPeak(1000)).toBeGreaterThanOrEqual(0);
  });
});
