import { setTimeout as sleep } from 'node:timers/promises';
import type { CrossValidation } from '../src/spec/cross-validation.ts';
import { say, send } from './client.ts';
import { uploadPenguins } from './penguins.ts';

/** Cross-validation of the penguins: a job for each fold, all else alike; what their validation splits say, as mean ± standard deviation. */

const SPEC = { name: 'penguins', target: 'species', training: { seed: 1 }, split: { test: 0, folds: 5 } };

export async function showFolds(api: string): Promise<void> {
  const dataset = await uploadPenguins(api);
  const { jobs } = await send<CrossValidation>('POST', `${api}/jobs/cross-validate`, { ...SPEC, dataset });
  const found = await waitForEnd(`${api}/jobs/${jobs[0]!.id}/cross-validation`);
  for (const { fold, metrics } of found.jobs)
    say(
      `fold ${fold}: accuracy ${(100 * Number(metrics.accuracy)).toFixed(1)} %, loss ${Number(metrics.loss).toFixed(4)}`,
    );
  for (const name of ['accuracy', 'loss']) {
    const { mean, standard_deviation: deviation, folds } = found.metrics[name]!;
    say(`${name}: ${Number(mean).toFixed(4)} ± ${Number(deviation).toFixed(4)} over ${folds} folds`);
  }
}

async function waitForEnd(address: string): Promise<CrossValidation> {
  for (;;) {
    const found = await send<CrossValidation>('GET', address);
    if (found.status === 'succeeded') return found;
    if (found.status === 'failed') throw new Error(`a fold has failed: ${JSON.stringify(found.jobs)}`);
    await sleep(500);
  }
}
