import * as estimates from './estimates.ts';
import * as fallbacks from './fallbacks.ts';
import * as growth from './growth.ts';
import * as kernels from './kernels.ts';
import * as quality from './quality.ts';
import * as roofline from './roofline.ts';
import * as scaling from './scaling.ts';
import * as start from './start.ts';
import * as training from './training.ts';

export interface BenchOptions {
  workloads: readonly string[];
  threads: readonly number[];
  /** length of one run */
  seconds: number;
  rounds: number;
  /** of the questions of quality and estimates; null: all */
  datasets: readonly string[] | null;
  peers: { folder: string; names: readonly string[] } | null;
}

/** A question: its file measures, records what it found under its name, and renders what was recorded as Markdown. */
export interface Question {
  /** the page in bench/ that it stands on; RESULTS unless said */
  page?: string;
  ask(options: BenchOptions): Promise<void>;
  render(recorded: Record<string, unknown>): string;
}

export const QUESTIONS: Record<string, Question> = {
  training,
  scaling,
  roofline,
  kernels,
  growth,
  start,
  fallbacks,
  quality,
  estimates,
};
