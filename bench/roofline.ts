import type { KernelName, Kernels } from '../src/engine/kernels/abi.ts';
import { chooseKernels } from '../src/engine/kernels/load.ts';
import { type Limits, openLimits } from './limits.ts';
import { showProgress } from './progress.ts';
import type { BenchOptions } from './questions.ts';
import { record, show, table } from './results.ts';
import { openWorkload, stepThrough, timeSteps, workloadNamed } from './train.ts';

/**
 * What share of the machine's limits does a workload reach, and where does the rest go? Each call of the plan is timed on the leader, in a run
 * of its own: the time of a step comes from one without a clock. What is left of a step is waiting at barriers, and JavaScript.
 */
const CLASSES = [
  'product',
  'convolution',
  'recurrent',
  'attention',
  'normalisation',
  'element-wise',
  'optimizer',
] as const;
type KernelClass = (typeof CLASSES)[number];

function classOf(kernel: string): KernelClass {
  if (/^(gemm|packPanels)/.test(kernel)) return 'product';
  if (/conv2d|pool2d|upsample/i.test(kernel)) return 'convolution';
  if (/^(rnn|lstm|gru|previousSteps)/.test(kernel)) return 'recurrent';
  if (/^(attention|rotary)/.test(kernel)) return 'attention';
  if (/norm|moments|ScaleGrad|updateRunning/i.test(kernel)) return 'normalisation';
  if (/Update$|^accumulate$|^lamb|^clipScale/.test(kernel)) return 'optimizer';
  return 'element-wise';
}

/** What an update reads and writes: 4 bytes each of parameter, gradient and state. */
const UPDATE_BYTES: Partial<Record<KernelName, { count: number; bytes: number }>> = {
  adamUpdate: { count: 4, bytes: 28 },
  sgdUpdate: { count: 2, bytes: 12 },
};

interface Profile {
  calls: number;
  milliseconds: Record<KernelClass, number>;
  productFlops: number;
  updateBytes: number;
}

/** Kernels that keep the time. */
function timeKernels(kernels: Kernels, profile: Profile): Kernels {
  const timed = Object.entries(kernels).map(([name, kernel]) => {
    const kernelClass = classOf(name);
    const update = UPDATE_BYTES[name as KernelName];
    const wrapped = (...args: number[]) => {
      const began = performance.now();
      (kernel as (...args: number[]) => void)(...args);
      profile.milliseconds[kernelClass] += performance.now() - began;
      profile.calls += 1;
      if (name === 'gemm') profile.productFlops += 2 * args[1]! * args[2]! * args[3]!;
      if (update !== undefined) profile.updateBytes += args[update.count]! * update.bytes;
    };
    return [name, wrapped];
  });
  return Object.fromEntries(timed) as Kernels;
}

interface RooflineResult {
  workload: string;
  threads: number;
  limits: Limits;
  stepMs: number;
  stepFlops: number;
  /** of the leader's time in a step */
  shares: Record<KernelClass, number>;
  /** rate of the leader's products, and of what its updates read and write, against what a thread could do meanwhile */
  productsOfPeak: number | null;
  updatesOfMemory: number | null;
}

function emptyProfile(): Profile {
  const milliseconds = Object.fromEntries(CLASSES.map((name) => [name, 0])) as Profile['milliseconds'];
  return { calls: 0, milliseconds, productFlops: 0, updateBytes: 0 };
}

/** How often the limits are measured within a run, in turns with its steps. */
const TURNS = 10;

async function profileWorkload(name: string, threads: number, seconds: number): Promise<RooflineResult> {
  const workload = workloadNamed(name);
  const { compiled } = chooseKernels();
  const profile = emptyProfile();
  const runs = [undefined, (kernels: Kernels) => timeKernels(kernels, profile)];
  const timed: { stepMs: number; steps: number; limits: Limits }[] = [];
  let stepFlops = 0;
  const limits = await openLimits(threads);
  for (const instrument of runs) {
    const trainer = openWorkload(workload, compiled, threads, { instrument });
    const train = stepThrough(workload, trainer);
    timeSteps(train, (seconds / 3) * 1000);
    Object.assign(profile, emptyProfile());
    const turns: { ms: number; steps: number; limits: Limits }[] = [];
    for (let turn = 0; turn < TURNS; turn++) {
      const now = await limits.measure();
      turns.push({ ...timeSteps(train, (seconds / TURNS) * 1000), limits: now });
    }
    const steps = turns.reduce((sum, turn) => sum + turn.steps, 0);
    const stepMs = turns.reduce((sum, turn) => sum + turn.ms, 0) / steps;
    timed.push({ stepMs, steps, limits: meanOf(turns.map((turn) => turn.limits)) });
    stepFlops = trainer.stepFlops;
    await trainer.close();
  }
  await limits.close();
  const [plain, profiled] = timed as [(typeof timed)[0], (typeof timed)[0]];
  const { product, optimizer } = profile.milliseconds;
  // the clock is read twice a call: one reading falls within the call's time, one beside it
  const clockMs = (2 * profile.calls * measureClock()) / profiled.steps;
  const inCalls = CLASSES.reduce((sum, kind) => sum + profile.milliseconds[kind], 0) / profiled.steps;
  const work = Math.max(profiled.stepMs - clockMs, inCalls / 2);
  const shares = CLASSES.map((kind) => {
    const ms = profile.milliseconds[kind] / profiled.steps;
    return [kind, (ms - (clockMs / 2) * (ms / inCalls)) / work] as const;
  });
  return {
    ...{ workload: name, threads, limits: plain.limits, stepMs: plain.stepMs, stepFlops },
    shares: Object.fromEntries(shares) as Record<KernelClass, number>,
    productsOfPeak: product > 0 ? profile.productFlops / product / 1e6 / (profiled.limits.gflops / threads) : null,
    updatesOfMemory:
      optimizer > 0 && profile.updateBytes > 0
        ? profile.updateBytes / optimizer / 1e6 / (profiled.limits.gigabytesPerSecond / threads)
        : null,
  };
}

function meanOf(limits: readonly Limits[]): Limits {
  const mean = (of: (l: Limits) => number) => limits.reduce((sum, l) => sum + of(l), 0) / limits.length;
  return { gflops: mean((l) => l.gflops), gigabytesPerSecond: mean((l) => l.gigabytesPerSecond) };
}

/** Milliseconds that reading the clock takes. */
function measureClock(): number {
  const began = performance.now();
  for (let i = 0; i < 100_000; i++) performance.now();
  return (performance.now() - began) / 100_000;
}

export async function ask({ workloads, threads, seconds }: BenchOptions): Promise<void> {
  const progress = showProgress(workloads.length * threads.length);
  for (const n of threads) {
    for (const workload of workloads) {
      progress.begin(`${workload}, ${n} thread${n > 1 ? 's' : ''}`);
      record('roofline', `${workload}/${n}`, await profileWorkload(workload, n, seconds));
      progress.done();
    }
  }
  progress.end();
}

export function render(recorded: Record<string, unknown>): string {
  const results = Object.values(recorded as Record<string, RooflineResult>).sort(
    (a, b) => a.workload.localeCompare(b.workload) || a.threads - b.threads,
  );
  const percent = (share: number) => `${Math.round(100 * share)} %`;
  const rows = results.map(({ workload, threads, limits, stepMs, stepFlops, shares, ...r }) => {
    const classes = CLASSES.map((kind) => shares[kind]);
    const rest = Math.max(0, 1 - classes.reduce((sum, share) => sum + share, 0));
    return [
      ...[workload, threads, show(stepMs), percent(stepFlops / stepMs / 1e6 / limits.gflops)],
      ...classes.map((share) => (share < 0.005 ? '' : percent(share))),
      percent(rest),
      r.productsOfPeak === null ? '' : percent(r.productsOfPeak),
      r.updatesOfMemory === null ? '' : percent(r.updatesOfMemory),
    ];
  });
  const limits = [...Map.groupBy(results, (r) => r.threads)]
    .map(([n, own]) => {
      const range = (of: (l: Limits) => number) => {
        const values = own.map((r) => of(r.limits));
        return `${show(Math.min(...values))}–${show(Math.max(...values))}`;
      };
      const [flops, bytes] = [range((l) => l.gflops), range((l) => l.gigabytesPerSecond)];
      return `${n} thread${n > 1 ? 's' : ''}: ${flops} GFLOP/s of fused multiply-adds, ${bytes} GB/s of memory`;
    })
    .join('; ');
  return [
    '## What share of the machine’s limits is reached, and where does the rest go?',
    `Limits, measured in turns with the steps, of ${limits}. *of peak*: the arithmetic of a step against the
multiply-adds the cores could do meanwhile. Then the leader's time by kind of kernel; *rest* is waiting at barriers, and JavaScript. *products at*: the rate of matrix products against the peak; *updates at*: the optimizer's bytes against the
memory's rate, above 100 % where weights stay in the caches. \`npm run bench -- roofline\``,
    table(['', 'threads', 'ms a step', 'of peak', ...CLASSES, 'rest', 'products at', 'updates at'], rows),
  ].join('\n\n');
}
