import type { Column } from './dataset.ts';

/** What resolving needs to know of the dataset. */
export interface KnownDataset {
  id: string;
  name: string;
  rows: number;
  columns: readonly Column[];
}
