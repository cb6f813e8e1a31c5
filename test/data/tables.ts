import { ingestDataset } from '../../src/data/ingest-dataset.ts';
import { loadTable } from '../../src/data/load-table.ts';
import type { ColumnForm } from '../../src/data/table.ts';
import type { DatasetFormat } from '../../src/spec/dataset.ts';
import type { Input } from '../../src/spec/input.ts';
import type { Target } from '../../src/spec/target.ts';
import { openTemporaryStorage } from '../storage/temporary-storage.ts';
import { cutUp } from './sources.ts';

export const input = (column: string, type: Input['type'], normalize: Input['normalize'] = 'none'): Input => ({
  column,
  type,
  normalize,
  encoding: type === 'category' ? 'one_hot' : 'values',
  into: 'input',
});
export const target = (
  columns: string | string[],
  type: Target['type'],
  normalize: Target['normalize'] = 'none',
): Target => ({
  columns: [columns].flat(),
  type,
  normalize,
});

/** Stores, profiles and opens a dataset; `load` reads columns of it. */
export async function openDataset(format: DatasetFormat, contents: (string | Uint8Array)[]) {
  const storage = await openTemporaryStorage();
  const roles = format === 'idx' ? (['images', 'labels'] as const) : (['data'] as const);
  const files = contents.map((content, i) => ({ role: roles[i]!, source: cutUp(content) }));
  const dataset = await ingestDataset({ folder: 'ds_1', hint: { format }, files, storage, maxBytes: 1e9 });
  const { columns } = dataset.profile;
  const load = (
    inputs: { column: string; type: ColumnForm }[],
    wanted: Target,
    rows?: number,
    more?: readonly Target[],
  ) => loadTable({ format, files: dataset.files, columns, storage, inputs, target: wanted, rows, more });
  return { storage, dataset, columns, load };
}
