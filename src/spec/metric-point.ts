export const SPLITS = ['train', 'validation', 'test'] as const;
export type SplitName = (typeof SPLITS)[number];

/** One point of a series. Epoch figures carry the step at which the epoch ended. */
export interface MetricPoint {
  name: string;
  split: SplitName;
  step: number;
  epoch: number;
  value: number;
}
