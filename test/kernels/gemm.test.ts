import { describe, expect, it } from 'vitest';
import { Activation, GEMM_SCRATCH_BYTES, GemmFlag, WINDOWS_OFFSET_BYTES } from '../../src/engine/kernels/abi.ts';
import { ALL_BUILDS, Bench, WASM_BUILDS } from './builds.ts';

const { transposeA, transposeB, accumulate, bias, packedB } = GemmFlag;

/** One product on a fresh memory; `rows` and `cols` say which parts of C are computed, each with its own call. */
function multiply(
  build: (typeof ALL_BUILDS)[number],
  { flags, m, n, k, activation = 0 }: { flags: number; m: number; n: number; k: number; activation?: number },
  rows: [number, number][] = [[0, m]],
  cols: [number, number][] = [[0, n]],
): Uint32Array {
  const bench = new Bench(build);
  // row distances longer than a row: a part of a wider matrix
  const [lda, ldb, ldc] = [(flags & transposeA ? m : k) + 3, (flags & transposeB ? k : n) + 1, n + 2];
  const a = bench.random((flags & transposeA ? k : m) * lda);
  const b = bench.random((flags & transposeB ? n : k) * ldb);
  const c = bench.random(m * ldc);
  const biasAt = bench.random(n);
  const scratch = bench.room(GEMM_SCRATCH_BYTES / 4);
  if (flags & packedB) {
    const panels = Math.ceil(n / 16);
    const packed = bench.room(k * panels * 16);
    bench.kernels.packPanels(flags & transposeB, b, ldb, k, n, 0, panels, packed);
    bench.kernels.gemm(flags, m, n, k, a, lda, packed, 0, c, ldc, biasAt, activation, 0.2, scratch);
    return bench.readBits(c, m * ldc);
  }
  for (const [r0, r1] of rows) {
    for (const [c0, c1] of cols) {
      bench.kernels.gemm(
        ...([flags, r1 - r0, c1 - c0, k] as const),
        ...([a + 4 * (flags & transposeA ? r0 : r0 * lda), lda] as const),
        ...([b + 4 * (flags & transposeB ? c0 * ldb : c0), ldb] as const),
        ...([c + 4 * (r0 * ldc + c0), ldc, biasAt + 4 * c0, activation, 0.2, scratch] as const),
      );
    }
  }
  return bench.readBits(c, m * ldc);
}

function splitEvery(length: number, step: number): [number, number][] {
  const parts: [number, number][] = [];
  for (let i = 0; i < length; i += step) parts.push([i, Math.min(length, i + step)]);
  return parts;
}

describe.each(WASM_BUILDS)('gemm, %s', (build) => {
  const cases = [0, transposeA, transposeB, transposeA | transposeB].flatMap((transposes) => [
    { flags: transposes, m: 23, n: 50, k: 300 },
    { flags: transposes | accumulate | bias, m: 17, n: 21, k: 40, activation: Activation.relu },
    { flags: transposes | bias, m: 12, n: 37, k: 513, activation: Activation.geluErf },
    { flags: transposes | bias, m: 11, n: 19, k: 5, activation: Activation.leakyRelu },
  ]);

  it.each(cases)('gives the same bits for every split of rows and columns: %o', (shape) => {
    const whole = multiply(build, shape);
    for (const step of [1, 4, 5, 6, 7, 16]) {
      expect(multiply(build, shape, splitEvery(shape.m, step))).toEqual(whole);
      expect(multiply(build, shape, [[0, shape.m]], splitEvery(shape.n, step))).toEqual(whole);
    }
    expect(multiply(build, shape, splitEvery(shape.m, 6), splitEvery(shape.n, 9))).toEqual(whole);
  });

  it.each(cases)('reads packed panels with the same bits: %o', (shape) => {
    const flags = shape.flags | packedB;
    expect(multiply(build, { ...shape, flags })).toEqual(multiply(build, shape));
  });

  it('goes over blocks of columns and rows with the same bits', () => {
    const shape = { flags: transposeA, m: 250, n: 530, k: 20 };
    expect(multiply(build, shape, splitEvery(250, 125), splitEvery(530, 100))).toEqual(multiply(build, shape));
  });

  const deep = [0, transposeA, transposeB, transposeA | transposeB].flatMap((transposes) => [
    { flags: transposes, m: 262, n: 110, k: 300, activation: Activation.tanh },
    { flags: transposes | accumulate | bias, m: 258, n: 99, k: 1300, activation: Activation.relu },
  ]);

  it.each(deep)('of many columns and a deep k has the bits of its narrow parts: %o', (shape) => {
    const whole = multiply(build, shape);
    expect(multiply(build, shape, [[0, shape.m]], splitEvery(shape.n, 55))).toEqual(whole);
    expect(multiply(build, shape, splitEvery(shape.m, 101))).toEqual(whole);
    expect(multiply(build, { ...shape, flags: shape.flags | packedB })).toEqual(whole);
  });

  it('reads a narrow product the same way as a wide one', () => {
    // up to 32 columns Aᵀ is not packed
    const shape = { flags: transposeA, m: 13, n: 40, k: 70 };
    expect(multiply(build, shape, [[0, 13]], splitEvery(40, 20))).toEqual(multiply(build, shape));
  });
});

it.each(WASM_BUILDS)('gemm packs in front of what other kernels keep in the scratch, %s', (build) => {
  // the largest blocks that there are
  const { m, n, k } = { m: 264, n: 96, k: 1024 };
  for (const flags of [0, transposeA, transposeB, transposeA | transposeB]) {
    for (const depth of [k, 256]) {
      const bench = new Bench(build);
      const [a, b, c] = [bench.random(m * depth), bench.random(depth * n), bench.room(m * n)];
      const scratch = bench.room(GEMM_SCRATCH_BYTES / 4);
      const kept = (GEMM_SCRATCH_BYTES - WINDOWS_OFFSET_BYTES) / 4;
      bench.kernels.fill(scratch + WINDOWS_OFFSET_BYTES, kept, 7);
      const [lda, ldb] = [flags & transposeA ? m : depth, flags & transposeB ? depth : n];
      bench.kernels.gemm(flags, m, n, depth, a, lda, b, ldb, c, n, 0, Activation.none, 0, scratch);
      expect(bench.read(scratch + WINDOWS_OFFSET_BYTES, kept).every((value) => value === 7)).toBe(true);
    }
  }
});

describe.each(ALL_BUILDS)('gemm, %s', (build) => {
  it('of an empty sum is 0, C or the bias', () => {
    const bench = new Bench(build);
    const c = bench.floats([1, 2, 3, 4]);
    const biasAt = bench.floats([10, 20]);
    const scratch = bench.room(GEMM_SCRATCH_BYTES / 4);
    bench.kernels.gemm(accumulate, 2, 2, 0, 0, 1, 0, 2, c, 2, 0, 0, 0, scratch);
    expect([...bench.read(c, 4)]).toEqual([1, 2, 3, 4]);
    bench.kernels.gemm(bias, 2, 2, 0, 0, 1, 0, 2, c, 2, biasAt, 0, 0, scratch);
    expect([...bench.read(c, 4)]).toEqual([10, 20, 10, 20]);
    bench.kernels.gemm(0, 2, 2, 0, 0, 1, 0, 2, c, 2, 0, 0, 0, scratch);
    expect([...bench.read(c, 4)]).toEqual([0, 0, 0, 0]);
  });

  it('carries NaN through relu', () => {
    const bench = new Bench(build);
    const a = bench.floats([1, Number.NaN]);
    const b = bench.floats([1]);
    const c = bench.floats([0, 0]);
    const scratch = bench.room(GEMM_SCRATCH_BYTES / 4);
    bench.kernels.gemm(0, 2, 1, 1, a, 1, b, 1, c, 1, 0, Activation.relu, 0, scratch);
    expect([...bench.read(c, 2)]).toEqual([1, Number.NaN]);
  });
});
