import type { RowsDescription, Trainer } from '../engine/trainer.ts';
import type { Preparation } from '../spec/preparation.ts';

/** Said once, as a job.message. */
export interface Note {
  code: string;
  message: string;
  /** columns and figures, for programs */
  data?: Record<string, unknown>;
}

/** The dataset's rows, split and prepared, ready to be written into a trainer's memory. */
export interface LoadedRows {
  preparation: Preparation;
  description: RowsDescription;
  train: Uint32Array;
  /** windows over a corpus: each epoch, training takes all rows one of so many places later */
  phases?: number;
  validation: Uint32Array;
  test: Uint32Array;
  /** of a category: training rows of each of the preparation's classes */
  classCounts: number[] | null;
  /** what the client should know of the rows, told when training begins */
  notes: Note[];
  tokensPerCharacter?: { validation: number; test: number };
  /** once: what was read is let go of */
  write(trainer: Trainer): void;
}
