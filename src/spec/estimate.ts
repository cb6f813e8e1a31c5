import { type Static, Type } from 'typebox';
import { Choice } from './choice.ts';
import type { Column, DatasetFile, DatasetFormat } from './dataset.ts';
import { JobSpec } from './job-spec.ts';
import type { Preparation } from './preparation.ts';
import { closed, nullable } from './schema.ts';

/** What a job would take, told before there is one. */

const count = (description: string) => Type.Integer({ minimum: 0, description });

const FIGURES = {
  parameters: count('of the network, frozen ones among them'),
  trained_parameters: nullable(Type.Integer({ minimum: 0 }), {
    description: 'those that training changes: what is not frozen, and adapters; null where it does not fit',
  }),
  fits: Type.Boolean({
    description:
      'whether rows, weights, optimizer state and what lives within a step are within limit_bytes; a job that does not fit fails with model_too_large',
  }),
  memory_bytes: count(
    'as runtime.memory_bytes of the job: what the process of an idle worker that has done no job yet grows by at most. It counts what fits is told from, the rows as they are read, the best weights, what writing a checkpoint takes, and threads. Later jobs find some of it there, and take less.',
  ),
  limit_bytes: count('MAX_JOB_MEMORY_BYTES: what of one job may be planned'),
  rows: closed({ train: count(''), validation: count(''), test: count('') }),
  steps_per_epoch: count('updates'),
  total_steps: count('updates, unless training ends early'),
  flops_per_step: nullable(Type.Number({ minimum: 0 }), {
    description: 'floating-point operations of one update; null where it does not fit',
  }),
  flops_per_epoch: nullable(Type.Number({ minimum: 0 })),
  threads: nullable(Type.Integer({ minimum: 1 })),
  kernels: Type.String(),
  seconds_per_epoch: nullable(Type.Number({ minimum: 0 }), {
    description:
      'training with its evaluation and checkpoints, from updates that were made on this machine; null where it does not fit. Another machine, or one that has more to do, is slower.',
  }),
  seconds: nullable(Type.Number({ minimum: 0 }), {
    description:
      'of all steps, the slower first ones and a learning rate’s range test among them; less where training ends early',
  }),
  measured_steps: count('updates that the time is told from'),
};

export const Estimate = closed(
  { ...FIGURES, spec: JobSpec, choices: Type.Array(Choice) },
  { title: 'Estimate', description: 'What a job of this spec takes.' },
);
export type Estimate = Static<typeof Estimate>;
export type EstimateFigures = Omit<Estimate, 'spec' | 'choices'>;

export interface EstimateRequest {
  spec: JobSpec;
  dataset: { format: DatasetFormat; files: DatasetFile[]; columns: Column[]; rows: number };
  /** of the checkpoint that it goes on from; null: fitted to the rows */
  preparation: Preparation | null;
  /** where the weights lie of the network that teaches it; null: it has none */
  teacher: { storageKey: string; sha256: string } | null;
}

/** The rows and the spec do not go together, as a job would find once it has read them. */
export class NotEstimableError extends Error {
  readonly hint: string;
  constructor(message: string, hint: string) {
    super(message);
    this.hint = hint;
  }
}

/** More estimates are waiting than can be made soon, or one took too long. */
export class EstimatorBusyError extends Error {}

/** Measures away from the thread that serves HTTP. */
export interface Estimator {
  /** Rejects with NotEstimableError; EstimatorBusyError; StorageFullError; StorageFailedError. */
  estimate(request: EstimateRequest): Promise<EstimateFigures>;
  close(): Promise<void>;
}
