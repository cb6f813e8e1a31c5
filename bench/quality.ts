import { readFileSync } from 'node:fs';
import { send, train } from '../examples/client.ts';
import type { Job } from '../src/spec/job.ts';
import { showProgress } from './progress.ts';
import { QUALITY_DATASETS, type QualityDataset } from './quality-data.ts';
import { digestRows, splitsOf } from './quality-splits.ts';
import type { BenchOptions } from './questions.ts';
import { lastFound, record, table } from './results.ts';
import { openStack } from './stack.ts';

/**
 * How good is what comes of a dataset and a target's name alone? Each job says nothing else but the seed of its split and its draws; scikit-learn's
 * figures (bench/quality-reference.py) are of the very same held-out rows.
 */

export const page = 'QUALITY';

interface Reference {
  made_with: string;
  datasets: Record<
    string,
    {
      test_rows: Record<string, string>;
      scores: Record<string, Record<string, number>>;
      /** rows that a model was trained on, where not on all of them */
      trained_on?: Record<string, number>;
    }
  >;
}

interface Found {
  task: 'category' | 'number';
  rows: number;
  /** by seed */
  scores: Record<string, number>;
  seconds: number;
  steps: number;
  parameters: number;
}

const reference = JSON.parse(readFileSync(new URL('./quality-reference.json', import.meta.url), 'utf8')) as Reference;

export async function ask({ datasets }: BenchOptions): Promise<void> {
  const wanted = QUALITY_DATASETS.filter(({ name }) => datasets === null || datasets.includes(name));
  const last = lastFound('quality') as Record<string, Found | undefined>;
  const progress = showProgress(wanted.flatMap(({ name, seeds }) => seeds.map(() => last[name]?.seconds ?? 1)));
  await using stack = await openStack();
  for (const dataset of wanted) {
    progress.begin(dataset.name);
    await checkRows(dataset);
    const { id, rows } = await uploadQualityDataset(stack.api, dataset);
    const jobs: Job[] = [];
    for (const seed of dataset.seeds) {
      const spec = { dataset: id, target: dataset.target, split: { seed }, training: { seed } };
      jobs.push(await train(stack.api, spec));
      progress.done();
    }
    record('quality', dataset.name, summarize(dataset, rows, jobs));
  }
  progress.end();
}

/** Figures of other rows could not be compared. */
async function checkRows(dataset: QualityDataset): Promise<void> {
  const known = reference.datasets[dataset.name]?.test_rows;
  for (const [seed, { test }] of Object.entries(await splitsOf(dataset))) {
    if (known?.[seed] === digestRows(test)) continue;
    throw new Error(
      `${dataset.name}: the reference's held-out rows are others: make bench/quality-reference.json anew`,
    );
  }
}

export async function uploadQualityDataset(
  api: string,
  { name, format, files }: QualityDataset,
): Promise<{ id: string; rows: number }> {
  const all = files();
  if (format !== 'idx') {
    const type = format === 'csv' ? 'text/csv' : 'application/x-ndjson';
    return send('POST', `${api}/datasets?name=${name}`, all[0]!.bytes, type);
  }
  const form = new FormData();
  for (const { role, bytes } of all) form.append(role, new Blob([bytes as BlobPart]), `${role}-idx`);
  return send('POST', `${api}/datasets?name=${name}`, form);
}

function summarize({ task }: QualityDataset, rows: number, jobs: readonly Job[]): Found {
  const metric = task === 'category' ? 'test.accuracy' : 'test.rmse';
  const last = jobs.at(-1)!;
  const mean = (of: (job: Job) => number) => jobs.reduce((sum, job) => sum + of(job), 0) / jobs.length;
  return {
    ...{ task, rows },
    scores: Object.fromEntries(jobs.map((job) => [job.spec.split.seed, Number(job.metrics[metric])])),
    seconds: mean((job) => (Date.parse(job.finished_at!) - Date.parse(job.started_at!)) / 1000),
    steps: Math.round(mean((job) => job.progress!.step)),
    parameters: last.runtime!.parameters,
  };
}

const NAMES: Record<string, string> = {
  hist_gradient_boosting: 'HistGradientBoosting',
  gradient_boosting: 'GradientBoosting',
  mlp: 'MLP',
};

const showSeconds = (seconds: number) => (seconds < 10 ? seconds.toFixed(1) : Math.round(seconds).toString());

function meanOf(scores: Record<string, number>): number {
  const values = Object.values(scores);
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

export function render(recorded: Record<string, unknown>): string {
  const rows = Object.entries(recorded as Record<string, Found>).map(([name, found]) => {
    const dataset = QUALITY_DATASETS.find((one) => one.name === name)!;
    const isCategory = found.task === 'category';
    const own = meanOf(found.scores);
    const { scores, trained_on: trainedOn = {} } = reference.datasets[name]!;
    const others = Object.entries(scores).map(([model, bySeed]) => ({ model, mean: meanOf(bySeed) }));
    const best = others.reduce((a, b) => ((isCategory ? b.mean > a.mean : b.mean < a.mean) ? b : a));
    const show = (value: number | undefined) =>
      value === undefined ? '–' : isCategory ? `${(100 * value).toFixed(1)} %` : value.toFixed(3);
    const of = (model: string) => {
      const fewer = model in trainedOn ? ` (of ${trainedOn[model]!.toLocaleString('en-US')} rows)` : '';
      return show(others.find((other) => other.model === model)?.mean) + fewer;
    };
    const difference = isCategory
      ? `${(100 * (own - best.mean)).toFixed(1)} points`
      : `${(100 * (own / best.mean - 1)).toFixed(1)} %`;
    const isWithin = isCategory ? own >= best.mean - 0.02 : own <= best.mean * 1.05;
    return [
      `${name}: ${dataset.target}`,
      found.rows.toLocaleString('en-US'),
      isCategory ? 'accuracy' : 'RMSE',
      show(own),
      ...Object.keys(NAMES).map(of),
      difference,
      isWithin ? 'yes' : '**no**',
      showSeconds(found.seconds),
      Object.keys(found.scores).length,
    ];
  });
  return [
    '## How good is what comes of a dataset and a target’s name alone?',
    `\`{"dataset", "target"}\` over HTTP, and the seed of split and draws; everything else is chosen. ${reference.made_with} on the very same held-out rows (a tenth; digests of them are compared), trained on all the others. Means over the seeds; seconds of a job beside whatever else the machine did; within: 2 points of accuracy or 5 % of RMSE of the best of the three. GradientBoosting was not tried on the images, of which it would take hours. \`npm run bench -- quality\``,
    table(
      [
        'dataset: target',
        'rows',
        'figure',
        'Trainyard',
        ...Object.values(NAMES),
        'to the best',
        'within',
        'seconds',
        'seeds',
      ],
      rows,
    ),
  ].join('\n\n');
}
