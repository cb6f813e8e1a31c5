import { chooseKernels } from '../src/engine/kernels/load.ts';
import type { LayerDescription } from '../src/engine/layers/description.ts';
import { showProgress } from './progress.ts';
import type { BenchOptions } from './questions.ts';
import { medianOf, record, show, table } from './results.ts';
import { openWorkload } from './train.ts';
import { dense, WORKLOADS, type Workload } from './workloads.ts';

/**
 * How does the cost of a step grow with the work in it? One size grows, everything else stays; the slope of the time against it, both as
 * logarithms, is held against the slope of the arithmetic. A smaller slope means that small sizes pay for something that is fixed.
 */
interface GrowthResult {
  what: string;
  sizes: readonly number[];
  milliseconds: number[];
  flops: number[];
}

function perceptron(input: number, widths: readonly number[], batch: number): Workload {
  const layers = widths.map((n, i) => dense(`dense_${i + 1}`, n, 'relu'));
  return { ...WORKLOADS.W1!, input: [input], layers: [...layers, dense('output', 10, 'linear')], batch };
}

function withTokens(base: Workload, tokens: number): Workload {
  return { ...base, input: [tokens], tokens };
}

const GROWING: Record<string, { sizes: readonly number[]; at: (size: number) => Workload }> = {
  'width of 3 dense layers, batch 64': {
    sizes: [128, 256, 512, 1024, 2048],
    at: (n) => perceptron(n, [n, n], 64),
  },
  'number of dense layers, 256 wide, batch 64': {
    sizes: [2, 4, 8, 16, 32],
    at: (n) => perceptron(256, Array(n).fill(256), 64),
  },
  'rows of a batch of W1': { sizes: [32, 64, 128, 256, 512], at: (n) => ({ ...WORKLOADS.W1!, batch: n }) },
  'images of a batch of W3': { sizes: [4, 8, 16, 32, 64], at: (n) => ({ ...WORKLOADS.W3!, batch: n }) },
  'steps of an LSTM (W4 with 8 rows)': {
    sizes: [16, 32, 64, 128, 256],
    at: (n) => withTokens({ ...WORKLOADS.W4!, batch: 8 }, n),
  },
  'tokens of a transformer (W5 with 2 rows)': {
    sizes: [16, 32, 64, 128, 256],
    at: (n) => withTokens({ ...WORKLOADS.W5!, layers: firstBlockOf(WORKLOADS.W5!.layers), batch: 2 }, n),
  },
};

/** One block of four, to be quicker. */
function firstBlockOf(layers: readonly LayerDescription[]): LayerDescription[] {
  const blocks = layers.filter((layer) => layer.type === 'transformer_decoder');
  return layers.filter((layer) => layer === blocks[0] || layer.type !== 'transformer_decoder');
}

/** Slope of the least-squares line through (log x, log y). */
function fitSlope(x: readonly number[], y: readonly number[]): number {
  const [u, v] = [x.map(Math.log), y.map(Math.log)];
  const mean = (list: readonly number[]) => list.reduce((sum, value) => sum + value, 0) / list.length;
  const [mu, mv] = [mean(u), mean(v)];
  const covariance = u.reduce((sum, value, i) => sum + (value - mu) * (v[i]! - mv), 0);
  return covariance / u.reduce((sum, value) => sum + (value - mu) ** 2, 0);
}

export async function ask({ seconds }: BenchOptions): Promise<void> {
  const { compiled } = chooseKernels();
  const entries = Object.entries(GROWING);
  const progress = showProgress(entries.reduce((sum, [, { sizes }]) => sum + sizes.length, 0));
  for (const [what, { sizes, at }] of entries) {
    const result: GrowthResult = { what, sizes, milliseconds: [], flops: [] };
    for (const size of sizes) {
      progress.begin(`${what}: ${size}`);
      const workload = at(size);
      const trainer = openWorkload(workload, compiled, 1);
      const times: number[] = [];
      const end = performance.now() + seconds * 500;
      for (let step = 0; times.length < 4 || performance.now() < end; step++) {
        const began = performance.now();
        trainer.step((step % 8) * workload.batch, workload.batch, step, 1e-4);
        times.push(performance.now() - began);
      }
      result.milliseconds.push(medianOf(times.slice(1)));
      result.flops.push(trainer.stepFlops);
      await trainer.close();
      progress.done();
    }
    record('growth', what, result);
  }
  progress.end();
}

export function render(recorded: Record<string, unknown>): string {
  const rows = Object.values(recorded as Record<string, GrowthResult>).map(({ what, sizes, milliseconds, flops }) => [
    ...[what, `${sizes[0]} … ${sizes.at(-1)}`, `${show(milliseconds[0]!)} … ${show(milliseconds.at(-1)!)}`],
    ...[fitSlope(sizes, milliseconds).toFixed(2), fitSlope(sizes, flops).toFixed(2)],
  ]);
  return [
    '## How does the cost grow with the work?',
    `Median time of a step on one thread as one size grows: slope of log time against log size, beside the arithmetic's. \`npm run bench -- growth\``,
    table(['what grows', 'from … to', 'ms a step', 'slope of time', 'of the arithmetic'], rows),
  ].join('\n\n');
}
