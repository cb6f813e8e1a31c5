import type { CompiledKernels } from '../engine/kernels/load.ts';
import type { EvaluationToRecord } from '../jobs/finish-job.ts';
import type { CheckpointToRecord } from '../jobs/record-checkpoint.ts';
import type { Column, DatasetFile, DatasetFormat } from '../spec/dataset.ts';
import type { Diagnosis } from '../spec/diagnosis.ts';
import type { JobError, JobPhase, Progress, StopReason } from '../spec/job.ts';
import type { EventType } from '../spec/job-event.ts';
import type { JobSpec } from '../spec/job-spec.ts';
import type { MetricPoint } from '../spec/metric-point.ts';
import type { Note } from '../spec/note.ts';
import type { Preparation } from '../spec/preparation.ts';
import type { StorageDescription } from '../storage/describe.ts';

/**
 * What the lease-holding main thread and the thread that trains say to each other. The trainer posts messages; the main thread answers only
 * through control words, which are looked at between two steps.
 */

/** Where a checkpoint lies, and how to know it is whole. */
export interface CheckpointPlace {
  id: string;
  storageKey: string;
  sha256: string;
  step: number;
  epoch: number;
}

/** A checkpoint that holds all a resume needs but the best weights, and those. */
export interface ResumePlace {
  latest: CheckpointPlace;
  best: CheckpointPlace | null;
}

/** What rows are read by: preparation null where it is to be fitted. */
export type RowsRequest = Pick<TrainerData, 'spec' | 'dataset' | 'preparation' | 'inherited'>;

export interface TrainerData {
  jobId: string;
  spec: JobSpec;
  dataset: { format: DatasetFormat; files: DatasetFile[]; columns: Column[]; rows: number };
  storage: StorageDescription;
  compiled: CompiledKernels;
  /** engine threads when the spec says auto; undefined: chosen from the work in a step */
  threads: number | undefined;
  maxThreads: number;
  maxMemoryBytes: number;
  /** what the job may go on from, newest first; each with the best weights up to there, if there were any */
  resume: ResumePlace[];
  /** seconds of training before this attempt, as far as they were reported */
  trainedSeconds: number;
  /** fine-tuning: the checkpoint whose weights it starts from */
  from: CheckpointPlace | null;
  /** an adapter that training goes on from, on top of `from` */
  adapter: CheckpointPlace | null;
  /** whose answers the job learns besides the targets */
  teacher: CheckpointPlace | null;
  /** preparation fitted earlier (resume); null: fit it now */
  preparation: Preparation | null;
  /** of what a fine-tuning starts from, or of the teacher: it is taken over as far as the spec says */
  inherited: Preparation | null;
  control: SharedArrayBuffer;
}

/** Words of `control` (Int32Array). */
export const ControlWord = {
  /** 0, or a StopRequest */
  stop: 0,
  /** messages the main thread has dealt with */
  acknowledged: 1,
  /** grows with every step, and while anything else goes on: a thread in which it stands still is stuck */
  beat: 2,
  count: 4,
} as const;

export const StopRequest = { none: 0, cancel: 1, drain: 2 } as const;

export interface EventDraft {
  type: EventType;
  /** what the event is about, where a repeated step would say it again */
  onceKey: string;
  data: Record<string, unknown>;
}

/** Everything since the last message, in order. */
export interface Report {
  phase: JobPhase;
  progress: Omit<Progress, 'updated_at'> | null;
  points: MetricPoint[];
  events: EventDraft[];
  /** points and events before them are recorded in the same transaction */
  checkpoints: CheckpointToRecord[];
  /** over all attempts */
  trainedSeconds: number;
  /** so far */
  diagnosis: Diagnosis | null;
}

/** Checkpoints that could not be read, and the one that the job goes on from; null: there is none. */
export interface Fallback {
  damaged: { id: string; detail: string }[];
  from: { id: string; step: number; bestId: string | null } | null;
}

export type Outcome =
  | {
      status: 'succeeded';
      stopReason: StopReason;
      metrics: Record<string, number | string>;
      evaluation?: EvaluationToRecord;
      diagnosis?: Diagnosis;
    }
  | { status: 'cancelled' }
  | { status: 'released' }
  | {
      status: 'failed';
      stopReason: StopReason;
      error: Pick<JobError, 'code' | 'category' | 'message' | 'hint'>;
      diagnosis?: Diagnosis;
    };

export type TrainerMessage =
  | {
      type: 'started';
      threads: number;
      parameters: number;
      trained: number;
      memoryBytes: number;
      notes: Note[];
    }
  /** what the spec left to be found */
  | { type: 'chosen'; learningRate: number }
  /** the first step of this attempt is done */
  | { type: 'stepped' }
  | { type: 'fallback'; fallback: Fallback }
  | { type: 'report'; report: Report }
  | { type: 'outcome'; outcome: Outcome };
