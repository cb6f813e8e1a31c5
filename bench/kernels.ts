import { GEMM_SCRATCH_BYTES, GemmFlag, type KernelName, type Kernels } from '../src/engine/kernels/abi.ts';
import { compileKernels, instantiateKernels, KERNEL_BUILDS, type KernelBuild } from '../src/engine/kernels/load.ts';
import { adviseHugePages } from '../src/engine/team/huge-pages.ts';
import { PEAK_FLOP } from './limits.ts';
import { showProgress } from './progress.ts';
import type { BenchOptions } from './questions.ts';
import { record, show, table } from './results.ts';

/**
 * How fast is each kernel, in each build? One thread; GFLOP/s where a kernel computes, GB/s of what it reads and writes where it passes over
 * memory. Products and convolutions beside the peak of fused multiply-adds in registers.
 */
interface KernelCase {
  name: string;
  kernel: KernelName;
  args: number[];
  /** work of one call */
  flops?: number;
  bytes?: number;
}

interface KernelResult {
  unit: 'GFLOP/s' | 'GB/s';
  rates: Partial<Record<KernelBuild, number>>;
  peak: number;
}

/** What the naive build would take seconds for is left out there. */
const NAIVE_MOST_FLOPS = 1e8;
const MEMORY_BYTES = 128 * 2 ** 20;
/** Buffers apart by odd multiples of a cache line, as in a plan. */
const [A, B, C, D] = [4096, 24 * 2 ** 20 + 64 * 7, 48 * 2 ** 20 + 64 * 11, 72 * 2 ** 20 + 64 * 5] as const;
const SCRATCH = 96 * 2 ** 20;
const HYPER = 1024;
const STEP = 2048;

const { transposeA, transposeB } = GemmFlag;

/** flags, m, n, k */
type Shape = readonly [number, number, number, number];
/** Cubes; then forward, weight gradient and input gradient of W1's first layer, its last layer, and one of W6's. */
const SHAPES: readonly Shape[] = [
  ...[64, 128, 256, 512, 1024].map((n): Shape => [0, n, n, n]),
  [0, 128, 512, 784],
  [transposeA, 784, 512, 128],
  [transposeB, 128, 784, 512],
  [0, 128, 10, 512],
  [transposeA, 512, 10, 128],
  [0, 256, 4096, 1024],
  [0, 32, 16, 2],
];

function product([flags, m, n, k]: Shape): KernelCase {
  const lda = flags & transposeA ? m : k;
  const ldb = flags & transposeB ? k : n;
  const suffix = `${flags & transposeA ? ', Aᵀ' : ''}${flags & transposeB ? ', Bᵀ' : ''}`;
  return {
    name: `gemm (${m}, ${n}, ${k}${suffix})`,
    ...{ kernel: 'gemm', args: [flags, m, n, k, A, lda, B, ldb, C, n, 0, 0, 0, SCRATCH], flops: 2 * m * n * k },
  };
}

/** W3's second convolution, with 4 images: 26×26×32 → 24×24×64. */
function convolutions(): KernelCase[] {
  const shape = [4, 26, 26, 32, 3, 3, 1, 1, 1, 1, 0, 0, 24, 24, 64, 1];
  const flops = 2 * 4 * 24 * 24 * 64 * 9 * 32;
  const of = (kernel: KernelName, args: number[]): KernelCase => ({
    name: `${kernel} 3×3, 32 → 64`,
    kernel,
    args,
    flops,
  });
  return [
    of('conv2d', [0, ...shape, A, B, C, 0, 0, 0, SCRATCH]),
    of('conv2dInputGrad', [...shape, C, B, A, SCRATCH]),
    of('conv2dWeightGrad', [...shape, A, C, 0, 9 * 32, B, SCRATCH]),
  ];
}

/** W4's LSTM over 8 steps, and W5's attention. */
function sequences(): KernelCase[] {
  const [rows, steps, width] = [32, 8, 256];
  const [batch, tokens, heads, depth] = [12, 64, 4, 32];
  const lstm = 2 * rows * steps * width * 4 * width;
  const attention = (4 * batch * heads * tokens * (tokens + 1) * depth) / 2;
  const line = 3 * heads * depth;
  const sizes = [1, batch, tokens, tokens, heads, heads, depth];
  const [k, v] = [A + heads * depth * 4, A + 2 * heads * depth * 4];
  return [
    {
      name: 'lstmForward (32, 8, 256)',
      kernel: 'lstmForward',
      args: [0, rows, steps, width, B, C, 0, 0, 0, SCRATCH],
      flops: lstm,
    },
    {
      ...{ name: 'lstmBackward (32, 8, 256)', kernel: 'lstmBackward', flops: lstm },
      args: [0, rows, steps, width, B, A, C, 0, 0, D, 4 * width, SCRATCH],
    },
    {
      ...{ name: 'attention (12, 64, 4 × 32), causal', kernel: 'attention', flops: attention },
      args: [...sizes, A, line, k, v, line, 0, C, SCRATCH],
    },
  ];
}

/** Kernels that pass over memory: 65,536 values, which stay in the second-level cache. */
function passes(): KernelCase[] {
  const n = 65_536;
  const [rows, cols] = [256, 256];
  const unary = ['copy', 'relu', 'sigmoid', 'tanh', 'geluTanh', 'geluErf', 'silu', 'exp', 'log'] as const;
  const binary = ['add', 'mul', 'reluGrad', 'sigmoidGrad', 'tanhGrad', 'geluTanhGrad'] as const;
  const of = (kernel: KernelName, arrays: number, args: number[]): KernelCase => ({
    ...{ name: kernel, kernel, args, bytes: 4 * n * arrays },
  });
  return [
    ...unary.map((kernel) => of(kernel, 2, [A, B, n])),
    ...binary.map((kernel) => of(kernel, 3, [A, B, C, n])),
    of('addBias', 2, [A, B, C, rows, cols]),
    of('softmax', 2, [A, C, rows, cols]),
    of('dropout', 2, [A, C, n, 0, 0.2, 1, 2, 3, STEP]),
    of('columnSum', 1, [A, cols, C, rows, cols]),
    of('sgdUpdate', 3, [A, B, n, HYPER]),
    of('momentumUpdate', 5, [A, B, C, n, 0.9, 0, HYPER]),
    of('adamUpdate', 7, [A, B, C, D, n, 0.9, 0.999, 1e-8, 0, HYPER]),
    of('lionUpdate', 5, [A, B, C, n, 0.9, 0.99, HYPER]),
  ];
}

/** Best rate of several goes, taking turns with the peak: neighbours on the machine come and go. */
function measure(
  kernels: Kernels,
  peakKernels: Kernels,
  one: KernelCase,
  trialMs: number,
): { rate: number; peak: number } {
  const kernel = kernels[one.kernel] as (...args: number[]) => void;
  const work = one.flops ?? one.bytes!;
  const peakIterations = 20_000;
  let began = performance.now();
  kernel(...one.args);
  const firstMs = performance.now() - began;
  let [rate, peak] = [work / firstMs / 1e6, 0];
  const repeats = Math.max(1, Math.round(trialMs / 20 / Math.max(firstMs, 1e-3)));
  const end = began + trialMs;
  for (let go = 0; (go < 3 && firstMs < 500) || performance.now() < end; go++) {
    began = performance.now();
    peakKernels.fmaPeak(peakIterations);
    peak = Math.max(peak, (peakIterations * PEAK_FLOP) / (performance.now() - began) / 1e6);
    began = performance.now();
    for (let i = 0; i < repeats; i++) kernel(...one.args);
    rate = Math.max(rate, (work * repeats) / (performance.now() - began) / 1e6);
  }
  return { rate, peak };
}

export async function ask({ seconds }: BenchOptions): Promise<void> {
  const pages = MEMORY_BYTES / 65_536;
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  adviseHugePages(memory);
  const values = new Float32Array(memory.buffer, 0, (SCRATCH + GEMM_SCRATCH_BYTES) / 4);
  // small numbers of either sign, so that nothing overflows however often it is done
  const noise = Float32Array.from({ length: values.length }, (_, i) => ((i * 7919) % 1009) / 10_090 - 0.05);
  const builds = KERNEL_BUILDS.map((build) => ({
    build,
    kernels: instantiateKernels(compileKernels({ build }), memory),
  }));
  const cases = [...SHAPES.map(product), ...convolutions(), ...sequences(), ...passes()];
  const progress = showProgress(cases.length * builds.length);
  for (const one of cases) {
    const result: KernelResult = { unit: one.flops === undefined ? 'GB/s' : 'GFLOP/s', rates: {}, peak: 0 };
    for (const { build, kernels } of builds) {
      progress.begin(`${one.name}, ${build}`);
      if (build === 'naive' && (one.flops ?? 0) > NAIVE_MOST_FLOPS) {
        progress.done();
        continue;
      }
      values.set(noise);
      const { rate, peak } = measure(kernels, builds[0]!.kernels, one, seconds * 60);
      result.rates[build] = rate;
      result.peak = Math.max(result.peak, peak);
      progress.done();
    }
    record('kernels', one.name, result);
  }
  progress.end();
}

export function render(recorded: Record<string, unknown>): string {
  const rows = Object.entries(recorded as Record<string, KernelResult>).map(([name, { unit, rates, peak }]) => [
    ...[name, unit, ...KERNEL_BUILDS.map((build) => (rates[build] === undefined ? '' : show(rates[build])))],
    unit === 'GFLOP/s' ? `${Math.round((100 * rates[KERNEL_BUILDS[0]!]!) / peak)} %` : '',
  ]);
  return [
    '## How fast is each kernel, in each build?',
    `One thread, best of several goes of a few milliseconds; *of peak* holds the best build against fused multiply-adds in registers at the same time.
\`npm run bench -- kernels\``,
    table(['', '', ...KERNEL_BUILDS, 'of peak'], rows),
  ].join('\n\n');
}
