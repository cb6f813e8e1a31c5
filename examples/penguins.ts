import { openAsBlob } from 'node:fs';
import { join } from 'node:path';
import type { Job } from '../src/spec/job.ts';
import { say, send } from './client.ts';

export async function uploadPenguins(api: string): Promise<string> {
  say(`Uploading 344 penguins to ${api}/datasets …`);
  const csv = await openAsBlob(join(import.meta.dirname, 'penguins.csv'));
  const { id } = await send<{ id: string }>('POST', `${api}/datasets?name=penguins`, csv, 'text/csv');
  return id;
}

export async function showPenguins(api: string, { id, metrics }: Job): Promise<void> {
  say(`\nTest accuracy: ${(100 * Number(metrics['test.accuracy'])).toFixed(1)} % of penguins the network never saw.`);
  const row = { bill_length: 39.1, bill_depth: 18.7, flipper_length: 181, body_mass: 3750, island: 'Torgersen' };
  const { predictions } = await send<{ predictions: unknown[] }>('POST', `${api}/jobs/${id}/predict`, { rows: [row] });
  say(`${JSON.stringify(row)}\n  → ${JSON.stringify(predictions[0])}`);
}
