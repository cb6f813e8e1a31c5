import { setTimeout as sleep } from 'node:timers/promises';
import type { Job } from '../src/spec/job.ts';
import { say, send } from './client.ts';
import { uploadPenguins } from './penguins.ts';

/** Cross-validation: a job for each fold of the penguins, all else alike; what their validation splits say, as mean ± standard deviation. */

const FOLDS = 5;
const SPEC = { target: 'species', training: { seed: 1 }, split: { test: 0, folds: FOLDS } };

export async function showFolds(api: string): Promise<void> {
  const dataset = await uploadPenguins(api);
  // all are posted at once, and run as workers have time for them
  const jobs = await Promise.all(
    Array.from({ length: FOLDS }, (_, fold) =>
      send<Job>('POST', `${api}/jobs`, {
        ...{ ...SPEC, dataset, name: `fold ${fold + 1} of ${FOLDS}` },
        split: { ...SPEC.split, fold },
        metadata: { cross_validation: dataset },
      }),
    ),
  );
  const figures: Record<string, number[]> = { accuracy: [], loss: [] };
  for (const { id, name } of jobs) {
    const job = await waitForEnd(api, id);
    if (job.status !== 'succeeded') throw new Error(`${name} ended ${job.status}: ${job.error?.message}`);
    const { splits } = await send<Evaluation>('GET', `${api}/jobs/${id}/evaluation`);
    figures.loss!.push(splits.validation.loss);
    figures.accuracy!.push(splits.validation.targets[0]!.metrics.accuracy!.value);
    say(
      `${name}: accuracy ${(100 * figures.accuracy!.at(-1)!).toFixed(1)} %, loss ${splits.validation.loss.toFixed(4)}`,
    );
  }
  for (const [name, values] of Object.entries(figures)) {
    const { mean, deviation } = summarize(values);
    say(`${name}: ${mean.toFixed(4)} ± ${deviation.toFixed(4)} over ${FOLDS} folds`);
  }
}

interface Evaluation {
  splits: { validation: { loss: number; targets: { metrics: Record<string, { value: number }> }[] } };
}

async function waitForEnd(api: string, id: string): Promise<Job> {
  for (;;) {
    const job = await send<Job>('GET', `${api}/jobs/${id}`);
    if (['succeeded', 'failed', 'cancelled'].includes(job.status)) return job;
    await sleep(500);
  }
}

/** Of a sample: folds are some of all that there could be. */
function summarize(values: readonly number[]): { mean: number; deviation: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, deviation: Math.sqrt(squares / (values.length - 1)) };
}
