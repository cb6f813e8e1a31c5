import type { SlicedColumn } from '../data/slice-columns.ts';
import type { Trainer } from '../engine/trainer.ts';
import type { RowsDescription } from '../engine/training-graph.ts';
import type { JudgedSplit } from '../spec/evaluation.ts';
import type { JobSpec } from '../spec/job-spec.ts';
import type { Note } from '../spec/note.ts';
import type { Preparation } from '../spec/preparation.ts';
import type { BatchAugmenter } from './augment-batch.ts';

/** Of many columns that look alike, more would say no more. */
export const MOST_NOTES = 50;

/** Parts of the evaluation order, in its order. */
export const JUDGED_PARTS = ['validation', 'test', 'train'] as const;
export type JudgedPart = (typeof JUDGED_PARTS)[number];

/** Where a part lies in the evaluation order. */
export function placeOfPart(rows: LoadedRows, part: JudgedPart): { first: number; rows: Uint32Array } {
  if (part === 'validation') return { first: 0, rows: rows.validation };
  if (part === 'test') return { first: rows.validation.length, rows: rows.test };
  return { first: rows.validation.length + rows.test.length, rows: rows.trainSample };
}

/** Rows that the trainer of a job takes at once: of those to train on, or to judge. */
export function batchRowsOf(
  { training }: Pick<JobSpec, 'training'>,
  { judgedAs, train, test }: Pick<LoadedRows, 'judgedAs' | 'train' | 'test'>,
): number {
  return Math.min(training.batch_size, judgedAs === undefined ? train.length : test.length);
}

/** At most so many, evenly from all. */
export function sampleRows(rows: Uint32Array, most: number): Uint32Array {
  const count = Math.min(rows.length, Math.max(1, Math.floor(most)));
  return Uint32Array.from({ length: count }, (_, i) => rows[Math.floor((i * rows.length) / count)]!);
}

/** Judged training rows: cheap beside an epoch. */
export const MOST_TRAIN_SAMPLE = 1000;

/** The evaluation order of validation, test and sampled training rows. */
export function joinParts({ validation, test, trainSample }: Pick<LoadedRows, 'validation' | 'test' | 'trainSample'>) {
  const order = new Uint32Array(validation.length + test.length + trainSample.length);
  order.set(validation);
  order.set(test, validation.length);
  order.set(trainSample, validation.length + test.length);
  return order;
}

/** The dataset's rows, split and prepared, ready to be written into a trainer's memory. */
export interface LoadedRows {
  preparation: Preparation;
  description: RowsDescription;
  /** bytes of what was read, which lies beside the trainer's rows until they are written */
  readBytes: number;
  train: Uint32Array;
  /** windows over a corpus: each epoch, training takes all rows one of so many places later */
  phases?: number;
  validation: Uint32Array;
  test: Uint32Array;
  /** training rows that are judged beside the held-out ones; the evaluation order has validation, test and these, one behind the other */
  trainSample: Uint32Array;
  /** of an evaluate job, whose judged rows lie in `test`: what they are */
  judgedAs?: JudgedSplit;
  /** of the rows in the evaluation order */
  slices: SlicedColumn[];
  /** of a category: training rows of each of the preparation's classes */
  classCounts: number[] | null;
  /** what the client should know of the rows, told when training begins and with the figures */
  notes: Note[];
  /** training images that are changed before they are gone through */
  augmentation?: BatchAugmenter;
  /** of a target that is told by its change: what is added to output `place` of a row */
  baseOf?(row: number, place: number): number;
  tokensPerCharacter?: Record<JudgedPart, number>;
  /** once: what was read is let go of */
  write(trainer: Trainer): void;
}
