import type { Estimate } from '../src/spec/estimate.ts';
import type { Job } from '../src/spec/job.ts';
import { showProgress } from './progress.ts';
import { uploadQualityDataset } from './quality.ts';
import { QUALITY_DATASETS } from './quality-data.ts';
import type { BenchOptions } from './questions.ts';
import { medianOf, record, show, table } from './results.ts';
import { openStack, send, waitUntilEnded } from './stack.ts';

/** How near is POST /v1/jobs/estimate to what the job then takes? Each is asked, and then run for some seconds. */

export const page = 'QUALITY';

const SECONDS = 8;
const EPOCHS = { least: 3, most: 2_000 };

const digits = (layers: object[]) => ({ inputs: ['pixels'], model: { layers }, training: { batch_size: 128 } });
const dense = (units: number) => ({ type: 'dense', units, activation: 'relu' });
const conv = (filters: number) => ({ type: 'conv2d', filters, activation: 'relu' });

/** Of datasets of the quality question; `{}`: all that is chosen. */
const JOBS: readonly { name: string; dataset: string; spec: Record<string, unknown> }[] = [
  { name: 'iris, as chosen', dataset: 'iris', spec: {} },
  { name: 'seattle-weather, as chosen', dataset: 'seattle-weather', spec: {} },
  { name: 'movies, as chosen', dataset: 'movies', spec: {} },
  { name: 'mnist, dense 64', dataset: 'mnist', spec: digits([dense(64)]) },
  { name: 'mnist, dense 512, 512', dataset: 'mnist', spec: digits([dense(512), dense(512)]) },
  {
    ...{ name: 'mnist, conv 8, 16', dataset: 'mnist' },
    spec: digits([conv(8), { type: 'max_pool2d' }, conv(16), { type: 'global_average_pool2d' }]),
  },
];

interface Found {
  parameters: number;
  said: number[];
  took: number[];
}

export async function ask({ datasets, rounds }: BenchOptions): Promise<void> {
  const jobs = JOBS.filter(({ dataset }) => datasets === null || datasets.includes(dataset));
  const progress = showProgress(jobs.length * rounds);
  await using stack = await openStack();
  const uploaded = new Map<string, string>();
  for (const { name, dataset: wanted, spec } of jobs) {
    progress.begin(name);
    const dataset = QUALITY_DATASETS.find((one) => one.name === wanted)!;
    if (!uploaded.has(wanted)) uploaded.set(wanted, (await uploadQualityDataset(stack.api, dataset)).id);
    const body = { ...spec, dataset: uploaded.get(wanted), target: dataset.target };
    const found: Found = { parameters: 0, said: [], took: [] };
    for (let round = 0; round < rounds; round++) {
      const estimate = await send<Estimate>('POST', `${stack.api}/jobs/estimate`, body);
      found.parameters = estimate.parameters;
      found.said.push(estimate.seconds_per_epoch!);
      found.took.push(await timeEpochs(stack.api, body, estimate.seconds_per_epoch!));
      progress.done();
    }
    record('estimates', name, found);
  }
  progress.end();
}

/** Seconds from the end of the first epoch to that of the last, for each. */
async function timeEpochs(api: string, body: Record<string, unknown>, expected: number): Promise<number> {
  const epochs = Math.min(Math.max(Math.ceil(SECONDS / expected), EPOCHS.least), EPOCHS.most);
  const training = { ...(body.training as object), epochs, early_stopping: null };
  const { id } = await send<Job>('POST', `${api}/jobs`, { ...body, training });
  await waitUntilEnded(api, id);
  const times = await timesOfEpochs(api, id);
  return (times.at(-1)! - times[0]!) / 1000 / (times.length - 1);
}

async function timesOfEpochs(api: string, id: string): Promise<number[]> {
  const times: number[] = [];
  for (let cursor: string | null = null; ; ) {
    const query: string = `limit=100${cursor === null ? '' : `&after=${cursor}`}`;
    const answer: { data: { type: string; at: string }[]; has_more: boolean; next_cursor: string | null } = await send(
      ...(['GET', `${api}/jobs/${id}/events?${query}`] as const),
    );
    for (const { type, at } of answer.data) if (type === 'job.metrics') times.push(Date.parse(at));
    if (!answer.has_more) return times;
    cursor = answer.next_cursor;
  }
}

export function render(recorded: Record<string, unknown>): string {
  const rows = Object.entries(recorded as Record<string, Found>).map(([name, { parameters, said, took }]) => {
    const ratios = said.map((seconds, i) => seconds / took[i]!);
    return [
      ...[name, parameters.toLocaleString('en-US'), show(medianOf(said)), show(medianOf(took))],
      ...[medianOf(ratios).toFixed(2), `${Math.min(...ratios).toFixed(2)}–${Math.max(...ratios).toFixed(2)}`],
    ];
  });
  return [
    '## How near is an estimate to what the job then takes?',
    'Seconds of an epoch with its evaluation, as `POST /v1/jobs/estimate` says and as the job then takes, from the end of its first epoch to that of its last. `npm run bench -- estimates`',
    table(['job', 'parameters', 's an epoch, said', 's, took', 'said ÷ took, median', 'range'], rows),
  ].join('\n\n');
}
