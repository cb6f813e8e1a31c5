import { KERNEL_BUILDS } from '../src/engine/kernels/load.ts';
import { showProgress } from './progress.ts';
import type { BenchOptions } from './questions.ts';
import { medianOf, record, show, table } from './results.ts';
import { runOurs } from './training.ts';

/** What does it cost where the best kernels cannot be had? W1 on one thread with each build, in turns. */
const WORKLOAD = 'W1';

interface FallbackResult {
  build: string;
  samplesPerSecond: number[];
}

export async function ask({ seconds, rounds }: BenchOptions): Promise<void> {
  const progress = showProgress(KERNEL_BUILDS.length * rounds);
  const results = KERNEL_BUILDS.map((build): FallbackResult => ({ build, samplesPerSecond: [] }));
  for (let round = 0; round < rounds; round++) {
    for (const { build, samplesPerSecond } of results) {
      progress.begin(`${WORKLOAD} with ${build} kernels`);
      // naive kernels take seconds for a step: once is enough
      if (build !== 'naive' || round === 0) {
        const figures = await runOurs({ workload: WORKLOAD, threads: 1, seconds, kernels: build });
        samplesPerSecond.push(figures.samples_per_s);
      }
      progress.done();
    }
  }
  for (const result of results) record('fallbacks', result.build, result);
  progress.end();
}

export function render(recorded: Record<string, unknown>): string {
  const results = Object.values(recorded as Record<string, FallbackResult>);
  const best = medianOf(results[0]!.samplesPerSecond);
  return [
    '## What do the fall-backs cost?',
    `${WORKLOAD} on one thread with each kernel build: *revectorized* pairs 128-bit operations into 256-bit ones, *relaxed* has fused multiply-add,
*plain* neither, *naive* is TypeScript. \`npm run bench -- fallbacks\``,
    table(
      ['build', 'samples/s', 'of the best'],
      results.map(({ build, samplesPerSecond }) => {
        const rate = medianOf(samplesPerSecond);
        return [build, show(rate), `${((100 * rate) / best).toFixed(rate / best < 0.1 ? 1 : 0)} %`];
      }),
    ),
  ].join('\n\n');
}
