import { openAsBlob } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { send } from '../examples/client.ts';
import { fileOf, type Part } from '../examples/mnist.ts';
import type { Job } from '../src/spec/job.ts';
import { showProgress } from './progress.ts';
import type { BenchOptions } from './questions.ts';
import { medianOf, record, show, table } from './results.ts';
import { openStack } from './stack.ts';

/**
 * How long is it from an idle worker's taking a job to its first step? The whole stack runs; jobs train W1's network on MNIST's digits, and the worker says
 * how long it took: a thread, the rows read and prepared, the model compiled, one step.
 */
const DATASETS = { '10,000 digits': 't10k', '60,000 digits': 'train' } as const;

async function upload(api: string, part: Part): Promise<string> {
  const form = new FormData();
  form.append('images', await openAsBlob(fileOf(part, 'images')), 'images-idx3-ubyte');
  form.append('labels', await openAsBlob(fileOf(part, 'labels')), 'labels-idx1-ubyte');
  return (await send<{ id: string }>('POST', `${api}/datasets`, form)).id;
}

/** An idle worker has made its next thread ready. */
const IDLE_MS = 2000;

/** Milliseconds to the first step of a job, which is cancelled then. */
async function startJob(api: string, dataset: string): Promise<number> {
  await sleep(IDLE_MS);
  const units = (n: number) => ({ type: 'dense', units: n, activation: 'relu' });
  const spec = {
    ...{ dataset, inputs: ['pixels'], target: 'label', model: { layers: [units(512), units(512)] } },
    training: { epochs: 100, batch_size: 128, optimizer: { type: 'adam', learning_rate: 0.001 } },
  };
  const { id } = await send<Job>('POST', `${api}/jobs`, spec);
  for (;;) {
    const job = await send<Job>('GET', `${api}/jobs/${id}`);
    if (job.error !== null) throw new Error(`the job ended ${job.status}: ${job.error.message}`);
    const found = job.runtime?.first_step_ms ?? null;
    if (found !== null) {
      await send('POST', `${api}/jobs/${id}/cancel`);
      while ((await send<Job>('GET', `${api}/jobs/${id}`)).finished_at === null) await sleep(50);
      return found;
    }
    await sleep(50);
  }
}

export async function ask({ rounds }: BenchOptions): Promise<void> {
  await using stack = await openStack();
  const progress = showProgress(Object.keys(DATASETS).length * rounds);
  try {
    for (const [name, part] of Object.entries(DATASETS)) {
      progress.begin(name);
      const dataset = await upload(stack.api, part);
      const milliseconds: number[] = [];
      for (let round = 0; round < rounds; round++) {
        milliseconds.push(await startJob(stack.api, dataset));
        progress.done();
      }
      record('start', name, milliseconds);
    }
  } finally {
    progress.end();
  }
}

export function render(recorded: Record<string, unknown>): string {
  const rows = Object.entries(recorded as Record<string, number[]>).map(([name, ms]) => [
    ...[name, show(medianOf(ms)), show(Math.max(...ms))],
  ]);
  return [
    '## How long is it from a worker taking a job to its first step?',
    `W1's network on images, embedded stack: thread, rows, plan and one step; \`runtime.first_step_ms\` of the job. \`npm run bench -- start\``,
    table(['dataset', 'ms, median', 'ms, most'], rows),
  ].join('\n\n');
}
