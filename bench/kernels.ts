import { GEMM_SCRATCH_BYTES, GemmFlag, type Kernels } from '../src/engine/kernels/abi.ts';
import { compileKernels, instantiateKernels, type KernelBuild } from '../src/engine/kernels/load.ts';

/**
 * How close does the matrix product come to what the core can do? Prints GFLOP/s of one thread for each build, and the
 * ratio of the best build to the core's peak of fused multiply-adds in registers.
 */

/** flags, m, n, k */
type Shape = readonly [number, number, number, number];

const { transposeA, transposeB } = GemmFlag;

const CUBES: Shape[] = [128, 256, 512, 1024].map((size) => [0, size, size, size]);
/** Forward, weight gradient and input gradient of dense layers; then what each of two threads does of the same. */
const LAYERS: Shape[] = [
  [0, 128, 512, 784],
  [transposeA, 784, 512, 128],
  [transposeB, 128, 784, 512],
  [0, 128, 10, 512],
  [transposeA, 512, 10, 128],
  [0, 256, 4096, 1024],
  [0, 64, 512, 784],
  [transposeA, 392, 512, 128],
  [transposeB, 64, 784, 512],
  [0, 64, 10, 512],
  [transposeA, 256, 10, 128],
  [0, 128, 4096, 1024],
];
/** A net of 2×16×1 on a batch of 32: too small for the ratio to mean much, so the time is what counts. */
const TINY: Shape[] = [
  [0, 32, 16, 2],
  [transposeA, 2, 16, 32],
  [0, 32, 1, 16],
  [transposeB, 32, 16, 1],
  [transposeA, 16, 1, 32],
];

const BUILDS: KernelBuild[] = ['revectorized', 'relaxed', 'plain'];
/** Floating-point operations of one `fmaPeak` iteration. */
const PEAK_FLOP = 160;
const TRIAL_MS = 250;
const MEMORY_BYTES = 96 * 1024 * 1024;

/** Best GFLOP/s of several goes of a few milliseconds, taking turns with the peak: neighbours on the machine come and go. */
function measure(
  kernels: Kernels,
  peakKernels: Kernels,
  [flags, m, n, k]: Shape,
): { gflops: number; peak: number; microseconds: number } {
  const a = 4096;
  // buffers apart by odd multiples of a cache line, as in a plan
  const b = a + m * k * 4 + 64 * 7;
  const c = b + n * k * 4 + 64 * 11;
  const scratch = c + m * n * 4 + 64 * 5;
  if (scratch + GEMM_SCRATCH_BYTES > MEMORY_BYTES) throw new RangeError('the bench memory is too small');
  const lda = flags & transposeA ? m : k;
  const ldb = flags & transposeB ? k : n;
  const flop = 2 * m * n * k;
  const repeats = Math.max(1, Math.round(1e8 / flop));
  const peakIterations = 100_000;
  let [gflops, peak] = [0, 0];
  const end = performance.now() + TRIAL_MS;
  for (let go = 0; go < 5 || performance.now() < end; go++) {
    let began = performance.now();
    peakKernels.fmaPeak(peakIterations);
    peak = Math.max(peak, (peakIterations * PEAK_FLOP) / (performance.now() - began) / 1e6);
    began = performance.now();
    for (let i = 0; i < repeats; i++) kernels.gemm(flags, m, n, k, a, lda, b, ldb, c, n, 0, 0, 0, scratch);
    gflops = Math.max(gflops, (flop * repeats) / (performance.now() - began) / 1e6);
  }
  return { gflops, peak, microseconds: flop / gflops / 1e3 };
}

function nameShape([flags, m, n, k]: Shape): string {
  return `(${m}, ${n}, ${k})${flags & transposeA ? ' Aᵀ' : ''}${flags & transposeB ? ' Bᵀ' : ''}`;
}

export async function benchGemm(): Promise<void> {
  const pages = MEMORY_BYTES / 65536;
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  const noise = new Float32Array(memory.buffer);
  for (let i = 0; i < noise.length; i++) noise[i] = ((i * 7919) % 1009) / 1009 - 0.5;
  const builds = BUILDS.map((build) => instantiateKernels(compileKernels({ build }), memory));

  console.log('GFLOP/s of one thread; ratio = revectorized / peak of fused multiply-adds in registers\n');
  console.log(`${'(m, n, k)'.padEnd(22)}${BUILDS.map((build) => build.padStart(14)).join('')}   peak  ratio        µs`);
  for (const shape of [...CUBES, ...LAYERS, ...TINY]) {
    const results = builds.map((kernels) => measure(kernels, builds[0], shape));
    const peak = Math.max(...results.map((result) => result.peak));
    const columns = results.map((result) => result.gflops.toFixed(1).padStart(14)).join('');
    const ratio = `${((100 * results[0].gflops) / peak).toFixed(0)} %`.padStart(7);
    const time = results[0].microseconds.toFixed(2).padStart(10);
    console.log(`${nameShape(shape).padEnd(22)}${columns}${peak.toFixed(0).padStart(7)}${ratio}${time}`);
  }
}

if (import.meta.main) await benchGemm();
export async function ask(): Promise<void> {}
export function render(_: Record<string, unknown>): string {
  return '';
}
