import { type Static, Type } from 'typebox';
import { Choice } from './choice.ts';
import { Diagnosis } from './diagnosis.ts';
import { JOB_KINDS, JobSpec } from './job-spec.ts';
import { Note } from './note.ts';
import { closed, JsonNumber, nullable, words } from './schema.ts';
import { Transfer } from './weights.ts';

/** A job as a client sees it while it lives. */

export const JOB_STATUSES = [
  'validating',
  'queued',
  'running',
  'pausing',
  'paused',
  'cancelling',
  'succeeded',
  'failed',
  'cancelled',
] as const;
export type JobStatus = (typeof JOB_STATUSES)[number];
export const FINAL_STATUSES: readonly JobStatus[] = ['succeeded', 'failed', 'cancelled'];
/** A worker holds the job, by a lease. */
export const HELD_STATUSES: readonly JobStatus[] = ['running', 'pausing', 'cancelling'];

/** Why a queued job does not run yet. */
export const QUEUE_REASONS = ['delayed_start', 'tenant_limit', 'other_jobs', 'no_worker', 'next'] as const;
export type QueueReason = (typeof QUEUE_REASONS)[number];

export const JOB_PHASES = ['loading', 'training', 'evaluating', 'saving'] as const;
export type JobPhase = (typeof JOB_PHASES)[number];

export const STOP_REASONS = ['completed', 'early_stopped', 'max_duration', 'cancelled', 'diverged', 'error'] as const;
export type StopReason = (typeof STOP_REASONS)[number];

export const Progress = closed(
  {
    percentage: Type.Number({ minimum: 0, maximum: 100 }),
    step: Type.Integer({ minimum: 0 }),
    total_steps: Type.Integer({ minimum: 0 }),
    epoch: Type.Integer({ minimum: 0 }),
    epochs: Type.Integer({ minimum: 0 }),
    eta_s: nullable(
      Type.Number({
        minimum: 0,
        description: 'seconds that training will yet take; in the phase evaluating, that judging will',
      }),
    ),
    samples_per_s: nullable(
      Type.Number({
        minimum: 0,
        description: 'training rows a second; the judging of epochs and the writing of checkpoints take part of it',
      }),
    ),
    evaluation_percentage: Type.Optional(
      Type.Number({ minimum: 0, maximum: 100, description: 'in the phase evaluating: how much of it is done' }),
    ),
    metrics: Type.Record(Type.String(), JsonNumber, {
      description: 'the latest value of each: train.loss, validation.loss, validation.accuracy, …',
    }),
    updated_at: Type.String({ format: 'date-time' }),
  },
  { title: 'Progress' },
);
export type Progress = Static<typeof Progress>;

export const JobError = closed(
  {
    code: Type.String(),
    category: words(['user', 'server']),
    message: Type.String(),
    hint: nullable(Type.String()),
    attempt: Type.Integer(),
    last_checkpoint: nullable(Type.String()),
  },
  { title: 'JobError' },
);
export type JobError = Static<typeof JobError>;

/** What the engine that ran the job was: bits are promised for one build. */
export const Runtime = closed(
  {
    worker: Type.String(),
    kernels: Type.String({ description: 'kernel build: revectorized, relaxed, plain or naive' }),
    threads: Type.Integer({ minimum: 1 }),
    parameters: Type.Integer({ minimum: 0 }),
    trained_parameters: Type.Optional(
      Type.Integer({ minimum: 0, description: 'those that training changes: what is not frozen, and adapters' }),
    ),
    memory_bytes: Type.Integer({
      minimum: 0,
      description:
        'what the process of an idle worker that has done no job yet grows by at most: rows, weights, optimizer state, buffers, the best weights, threads; later jobs take less',
    }),
    event_loop_delay_max_ms: nullable(Type.Number(), {
      description: 'longest delay seen on the thread that renews the lease',
    }),
    notes: Type.Optional(
      Type.Array(Note, {
        description: 'what was noticed when the rows were loaded; each is a job.message event as well',
      }),
    ),
    learning_rate: Type.Optional(Type.Number({ description: 'where the spec says auto: what the range test found' })),
    first_step_ms: Type.Optional(
      nullable(Type.Number({ minimum: 0 }), { description: 'from the worker taking the job to its first step' }),
    ),
  },
  { title: 'Runtime' },
);
export type Runtime = Static<typeof Runtime>;

export const Job = closed(
  {
    id: Type.String(),
    kind: words(JOB_KINDS),
    name: Type.String(),
    status: words(JOB_STATUSES),
    phase: nullable(words(JOB_PHASES)),
    stop_reason: nullable(words(STOP_REASONS)),
    attempt: Type.Integer({ minimum: 0, description: 'how many times a worker has taken the job up' }),
    queue_position: nullable(Type.Integer({ minimum: 1 }), {
      description: 'while queued: 1 is next, with tenants taking turns; 1000 is that place or one further back',
    }),
    queue_reason: nullable(closed({ code: words(QUEUE_REASONS), detail: Type.String() }), {
      description: 'while queued: what the job waits for',
    }),
    origin: nullable(closed({ job_id: Type.String(), by: words(['retry', 'clone']) }), {
      description: 'the job that this one was made from',
    }),
    transitions: Type.Array(
      closed({
        status: words(JOB_STATUSES),
        at: Type.String({ format: 'date-time' }),
        reason: nullable(Type.String()),
      }),
    ),
    conditions: Type.Array(
      closed({ type: Type.String(), since: Type.String({ format: 'date-time' }), detail: Type.String() }),
    ),
    progress: nullable(Progress),
    metrics: Type.Record(Type.String(), JsonNumber, {
      description: 'final figures, by split: test.accuracy, best.validation.loss, …',
    }),
    transfer: nullable(Transfer, {
      description: 'what comes of uploaded weights; null where the job begins from none',
    }),
    diagnosis: nullable(Diagnosis, { description: 'what the learning curve says so far, and in the end' }),
    error: nullable(JobError),
    runtime: nullable(Runtime),
    spec: JobSpec,
    choices: Type.Array(Choice, {
      description:
        'what the request left out and was chosen from the dataset, with the reason; other defaults are not listed',
    }),
    created_at: Type.String({ format: 'date-time' }),
    started_at: nullable(Type.String({ format: 'date-time' })),
    finished_at: nullable(Type.String({ format: 'date-time' })),
  },
  { title: 'Job' },
);
export type Job = Static<typeof Job>;
