import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { send, train } from '../examples/client.ts';
import type { Estimate } from '../src/spec/estimate.ts';
import { showProgress } from './progress.ts';
import { uploadQualityDataset } from './quality.ts';
import { QUALITY_DATASETS } from './quality-data.ts';
import type { BenchOptions } from './questions.ts';
import { medianOf, record, table } from './results.ts';
import { openStack } from './stack.ts';

/** How near is POST /v1/jobs/estimate to what the job then takes? Each is asked, and then run for some seconds. */

export const page = 'QUALITY';

const SECONDS = 8;
const EPOCHS = { least: 3, most: 4_000 };
/** A worker that is still loading its code would slow the estimate down, and its memory would grow by itself. */
const WORKER_STARTS_MS = 4000;

const digits = (layers: object[]) => ({ inputs: ['pixels'], model: { layers }, training: { batch_size: 128 } });
const dense = (units: number) => ({ type: 'dense', units, activation: 'relu' });
const conv = (filters: number) => ({ type: 'conv2d', filters, activation: 'relu' });
const text = (layers: object[]) => ({
  inputs: [{ column: 'text', tokenizer: 'character', context: 64 }],
  model: { layers: [{ type: 'embedding', units: 64 }, ...layers] },
  training: { batch_size: 32 },
});
const block = { type: 'transformer_decoder', heads: 4, units: 256 };

/** So many characters of the plays. */
const CORPUS = 200_000;

/** One of each family. Datasets of the quality question, and a corpus; `{}`: all that is chosen. */
export const JOBS: readonly { name: string; dataset: string; spec: { training?: object } & Record<string, unknown> }[] =
  [
    { name: 'iris, as chosen', dataset: 'iris', spec: {} },
    { name: 'movies, as chosen', dataset: 'movies', spec: {} },
    { name: 'mnist, dense 512, 512', dataset: 'mnist', spec: digits([dense(512), dense(512)]) },
    {
      ...{ name: 'mnist, conv 8, 16', dataset: 'mnist' },
      spec: digits([conv(8), { type: 'max_pool2d' }, conv(16), { type: 'global_average_pool2d' }]),
    },
    { name: 'plays, LSTM 128', dataset: 'plays', spec: text([{ type: 'lstm', units: 128, returns: 'sequence' }]) },
    { name: 'plays, GPT of 2 blocks', dataset: 'plays', spec: text([{ type: 'position_embedding' }, block, block]) },
  ];

interface Found {
  parameters: number;
  /** seconds of an epoch */
  said: number[];
  took: number[];
  /** bytes; null where the system does not tell a process's memory */
  memory: { said: number; took: number } | null;
}

/** Each in a service of its own: a worker's first job alone shows what memory it takes. */
export async function ask({ datasets, rounds }: BenchOptions): Promise<void> {
  const jobs = JOBS.filter(({ dataset }) => datasets === null || datasets.includes(dataset));
  const progress = showProgress(jobs.length * rounds);
  for (const { name, dataset: wanted, spec } of jobs) {
    progress.begin(name);
    await using stack = await openStack();
    const chosen = { ...spec, ...(await upload(stack.api, wanted)) };
    await sleep(WORKER_STARTS_MS);
    const estimateOf = (body: object) => send<Estimate>('POST', `${stack.api}/jobs/estimate`, body);
    const body = { ...chosen, training: { ...spec.training, ...lastFor(SECONDS, await estimateOf(chosen)) } };
    const found: Found = { parameters: 0, said: [], took: [], memory: null };
    for (let round = 0; round < rounds; round++) {
      const estimate = await estimateOf(body);
      found.parameters = estimate.parameters;
      found.said.push(estimate.seconds_per_epoch!);
      const { seconds, memory } = await watchMemory(() => timeEpochs(stack.api, estimate));
      found.took.push(seconds);
      if (memory !== null) found.memory ??= { said: estimate.memory_bytes, took: memory };
      progress.done();
    }
    record('estimates', name, found);
  }
  progress.end();
}

async function upload(api: string, name: string): Promise<{ dataset: string; target?: string }> {
  if (name !== 'plays') {
    const dataset = QUALITY_DATASETS.find((one) => one.name === name)!;
    return { dataset: (await uploadQualityDataset(api, dataset)).id, target: dataset.target };
  }
  const plays = readFileSync(new URL('../examples/shakespeare.txt', import.meta.url)).subarray(0, CORPUS);
  const { id } = await send<{ id: string }>('POST', `${api}/datasets?name=plays`, plays, 'text/plain');
  return { dataset: id };
}

/** So many epochs. */
function lastFor(seconds: number, { seconds_per_epoch: expected }: Estimate) {
  const epochs = Math.min(Math.max(Math.ceil(seconds / expected!), EPOCHS.least), EPOCHS.most);
  return { epochs, early_stopping: null };
}

/** Seconds from the end of the first epoch to that of the last, for each. The job is the estimate's. */
async function timeEpochs(api: string, { spec }: Estimate): Promise<number> {
  const { id } = await train(api, spec);
  const times = await timesOfEpochs(api, id);
  return (times.at(-1)! - times[0]!) / 1000 / (times.length - 1);
}

/** Bytes that the worker grew by at most while something was done, as Linux tells them. */
async function watchMemory(work: () => Promise<number>): Promise<{ seconds: number; memory: number | null }> {
  const pid = findWorker();
  if (pid === null) return { seconds: await work(), memory: null };
  const before = readMemory(pid, 'VmRSS');
  // the highest so far counts from now on (proc(5))
  writeFileSync(`/proc/${pid}/clear_refs`, '5');
  const seconds = await work();
  return { seconds, memory: readMemory(pid, 'VmHWM') - before };
}

/** This process's child that runs jobs; null where there is no /proc (proc(5)). */
function findWorker(): number | null {
  const file = `/proc/self/task/${process.pid}/children`;
  if (!existsSync(file)) return null;
  const children = readFileSync(file, 'utf8').trim().split(' ');
  return Number(children.find((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('main/worker.ts')));
}

function readMemory(pid: number, what: 'VmRSS' | 'VmHWM'): number {
  const [, kib] = new RegExp(`^${what}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))!;
  return Number(kib) * 1024;
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

/** Three digits, of whatever size: an epoch of few rows takes less than a millisecond. */
const brief = (seconds: number) => Number(seconds.toPrecision(3)).toString();

export function render(recorded: Record<string, unknown>): string {
  const rows = Object.entries(recorded as Record<string, Found>).map(([name, { parameters, said, took, memory }]) => {
    const ratios = said.map((seconds, i) => seconds / took[i]!);
    const mib = (bytes: number) => (bytes / 2 ** 20).toFixed(0);
    return [
      ...[name, parameters.toLocaleString('en-US'), brief(medianOf(said)), brief(medianOf(took))],
      ...[medianOf(ratios).toFixed(2), `${Math.min(...ratios).toFixed(2)}–${Math.max(...ratios).toFixed(2)}`],
      ...(memory === null
        ? ['–', '–', '–']
        : [mib(memory.said), mib(memory.took), (memory.said / memory.took).toFixed(2)]),
    ];
  });
  return [
    '## How near is an estimate to what the job then takes?',
    'Seconds of an epoch with its evaluation, as `POST /v1/jobs/estimate` says and as the job then takes, from the end of its first epoch to that of its last; and memory, as it says and as the worker’s resident memory grows at most in its first job. `npm run bench -- estimates`',
    table(
      [
        ...['job', 'parameters', 's an epoch, said', 's, took', 'said ÷ took, median', 'range'],
        ...['MiB, said', 'MiB, took', 'said ÷ took'],
      ],
      rows,
    ),
  ].join('\n\n');
}
