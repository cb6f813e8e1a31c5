import { availableParallelism } from 'node:os';
import { chooseKernels } from '../src/engine/kernels/load.ts';
import { processorName } from './machine.ts';
import { showProgress } from './progress.ts';
import type { BenchOptions } from './questions.ts';
import { medianOf, record, show, table } from './results.ts';
import { openWorkload, stepThrough, timeSteps, workloadNamed } from './train.ts';

/**
 * How much do more threads bring? Networks with one thread and with more train in turns of a fraction of a second, within one process, so that a core that
 * is slow for a while, as on a machine shared with others, is slow for all of them. Each turn gives a ratio, and the median counts.
 */
interface ScalingResult {
  /** figures of several machines stand side by side */
  processor: string;
  cores: number;
  workload: string;
  /** median time of a step on one thread */
  stepMs: number;
  /** by the number of threads: one thread's time over theirs, in each turn */
  gains: Record<string, number[]>;
}

const TURN_MS = 250;
/** These are asked beside the numbers that the options name, where the machine has the cores. */
const MORE_THREADS = [4, 8];
/** More threads bring nothing to a step of W2, which one thread makes in microseconds. */
const TOO_SMALL = 'W2';

async function measureScaling(name: string, threads: readonly number[], turns: number): Promise<ScalingResult> {
  const workload = workloadNamed(name);
  const { compiled } = chooseKernels();
  const open = (n: number) => {
    const trainer = openWorkload(workload, compiled, n);
    return { n, trainer, train: stepThrough(workload, trainer), ms: [] as number[] };
  };
  const all = [1, ...threads].map(open);
  // the first turn warms up
  for (let turn = 0; turn <= turns; turn++) {
    for (const one of all) {
      const { ms, steps } = timeSteps(one.train, TURN_MS);
      if (turn > 0) one.ms.push(ms / steps);
    }
  }
  const [alone, ...together] = all as [(typeof all)[0], ...typeof all];
  for (const { trainer } of all) await trainer.close();
  return {
    ...{ processor: processorName(), cores: availableParallelism(), workload: name },
    stepMs: medianOf(alone.ms),
    gains: Object.fromEntries(together.map(({ n, ms }) => [n, ms.map((one, turn) => alone.ms[turn]! / one)])),
  };
}

export async function ask({ workloads, threads, seconds, rounds }: BenchOptions): Promise<void> {
  const more = [...new Set([...threads, ...MORE_THREADS])].filter((n) => n > 1 && n <= availableParallelism());
  const large = workloads.filter((name) => name !== TOO_SMALL);
  const progress = showProgress(large.length);
  for (const workload of large) {
    progress.begin(`${workload} on 1, ${more.join(', ')} threads`);
    const result = await measureScaling(workload, more, Math.ceil((rounds * seconds * 1000) / TURN_MS));
    record('scaling', `${result.processor}/${result.cores}/${workload}`, result);
    progress.done();
  }
  progress.end();
}

export function render(recorded: Record<string, unknown>): string {
  const results = Object.values(recorded as Record<string, ScalingResult>).sort(
    (a, b) => a.cores - b.cores || a.workload.localeCompare(b.workload),
  );
  const threads = [...new Set(results.flatMap((r) => Object.keys(r.gains)))].map(Number).sort((a, b) => a - b);
  const gain = (values: readonly number[] | undefined) => {
    if (values === undefined) return '';
    const sorted = [...values].sort((a, b) => a - b);
    const at = (share: number) => sorted[Math.floor(share * (sorted.length - 1))]!.toFixed(2);
    return `**${medianOf(values).toFixed(2)}** (${at(0.1)}–${at(0.9)})`;
  };
  return [
    '## How much do more threads bring?',
    `One thread’s time of a step over theirs, in turns of ${TURN_MS / 1000} s within one process: median of the turns’ ratios, and in brackets what eight of ten
turns lie between. \`npm run bench -- scaling\``,
    table(
      ['machine', 'workload', 'ms on 1 thread', ...threads.map((n) => `${n} threads`)],
      results.map(({ processor, cores, workload, stepMs, gains }) => [
        `${processor}, ${cores} cores`,
        workload,
        show(stepMs),
        ...threads.map((n) => gain(gains[n])),
      ]),
    ),
  ].join('\n\n');
}
