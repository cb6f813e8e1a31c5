import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ingestDataset } from '../src/data/ingest-dataset.ts';
import { validateJobRequest } from '../src/spec/request.ts';
import { resolveJob } from '../src/spec/resolve-job.ts';
import { openDiskStorage } from '../src/storage/disk.ts';
import { loadRows } from '../src/worker/load-rows.ts';
import { QUALITY_DATASETS, type QualityDataset } from './quality-data.ts';

/** Which rows are whose, as a job has them: by the code that splits a job's rows, not by a copy of it. */

export interface SplitRowsOfSeed {
  train: number[];
  validation: number[];
  test: number[];
}

/** What tells whether two splits hold out the same rows. */
export function digestRows(rows: Iterable<number>): string {
  return createHash('sha256').update(Uint32Array.from(rows)).digest('hex').slice(0, 16);
}

export async function splitsOf({ name, format, files, target, seeds }: QualityDataset) {
  const folder = mkdtempSync(join(tmpdir(), 'trainyard-quality-'));
  try {
    const storage = openDiskStorage(folder);
    const sources = files().map(({ role, bytes }) => ({ role, source: toChunks(bytes) }));
    const id = 'ds_01h455vb4pex5vsknk084sn02q';
    const found = await ingestDataset({ folder: id, hint: { format }, files: sources, storage, maxBytes: 2 ** 30 });
    const splits: Record<string, SplitRowsOfSeed> = {};
    for (const seed of seeds) {
      const request = validateJobRequest({ dataset: id, target, split: { seed } });
      if (!request.ok) throw new Error(`${name}: ${request.mistakes[0]?.detail}`);
      const { columns, rows } = found.profile;
      const resolution = resolveJob(request.request, { id, name, rows, columns }, null);
      if (!resolution.ok) throw new Error(`${name}: ${resolution.mistakes[0]?.detail}`);
      const dataset = { format, files: found.files, columns, rows };
      const loaded = await loadRows({ spec: resolution.spec, dataset, preparation: null, inherited: null }, storage);
      splits[seed] = {
        train: [...loaded.train],
        validation: [...loaded.validation],
        test: [...loaded.test],
      };
    }
    return splits;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function* toChunks(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536);
}

/** Writes files and splits for bench/quality-reference.py into build/quality. */
if (import.meta.main) {
  const build = fileURLToPath(new URL('../build/quality/', import.meta.url));
  const wanted = process.argv.slice(2);
  for (const dataset of QUALITY_DATASETS) {
    if (wanted.length > 0 && !wanted.includes(dataset.name)) continue;
    const folder = join(build, dataset.name);
    mkdirSync(folder, { recursive: true });
    for (const { role, bytes } of dataset.files()) writeFileSync(join(folder, role), bytes);
    const { format, target, task } = dataset;
    const splits = await splitsOf(dataset);
    const digests = Object.fromEntries(Object.entries(splits).map(([seed, { test }]) => [seed, digestRows(test)]));
    writeFileSync(join(folder, 'splits.json'), JSON.stringify({ format, target, task, splits, digests }));
    process.stdout.write(`${dataset.name}: ${JSON.stringify(digests)}\n`);
  }
}
