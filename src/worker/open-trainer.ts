import { availableParallelism } from 'node:os';
import { elementsOf } from '../engine/graph/graph.ts';
import type { CompiledKernels } from '../engine/kernels/load.ts';
import { Trainer, type TrainerOptions } from '../engine/trainer.ts';
import type { TrainerDescription } from '../engine/training-graph.ts';
import type { JobSpec } from '../spec/job-spec.ts';
import { epochOfUnfreezing, layerOf } from '../spec/unfreezing.ts';
import { buildLoss } from './build-loss.ts';
import {
  buildAdapters,
  buildDistillation,
  buildHeads,
  buildLayers,
  buildOptimizer,
  buildParameterGroups,
  buildPenalties,
  isFrozen,
  type Teacher,
} from './build-network.ts';
import { CheckpointWriter } from './checkpoint-writer.ts';
import { countUpdates } from './count-updates.ts';
import { batchRowsOf, type LoadedRows } from './loaded-rows.ts';

/** The trainer of a job: the same for whoever trains, and whoever tells what training takes. */

/** `teacher`: of a job that has one */
export function describeTrainer(spec: JobSpec, rows: LoadedRows, teacher: Teacher | null): TrainerDescription {
  const { inEpoch } = countUpdates(spec, rows.train.length);
  return {
    rows: rows.description,
    layers: buildLayers(spec, rows.preparation),
    loss: buildLoss(spec.training.loss, rows),
    heads: buildHeads(spec, rows.preparation),
    optimizer: buildOptimizer(spec),
    parameterGroups: buildParameterGroups(spec),
    penaltyFor: buildPenalties(spec),
    clipNorm: spec.training.clip_norm,
    clipValue: spec.training.clip_value,
    averaging: spec.training.ema,
    adapters: buildAdapters(spec),
    distillation: teacher === null ? null : buildDistillation(spec, teacher),
    isFrozen: (name) => isFrozen(spec, name),
    beginsAt: (name) => epochOfUnfreezing(spec, layerOf(name)) * inEpoch,
    batchRows: batchRowsOf(spec, rows),
    accumulateSteps: spec.training.accumulate_steps,
    seed: spec.training.seed,
  };
}

export interface EngineLimits {
  compiled: CompiledKernels;
  /** engine threads when the spec says auto; undefined: chosen from the work in a step */
  threads: number | undefined;
  maxThreads: number;
  maxMemoryBytes: number;
}

/** Throws PlanTooLargeError. */
export function openTrainer(spec: JobSpec, rows: LoadedRows, limits: EngineLimits, teacher: Teacher | null): Trainer {
  // what is kept beside the trainer's memory is not its own
  const maxMemoryBytes = Math.max(0, limits.maxMemoryBytes - (rows.augmentation?.bytes ?? 0));
  return new Trainer(describeTrainer(spec, rows, teacher), optionsOf(spec, { ...limits, maxMemoryBytes }));
}

/** A trainer that only evaluates: it never steps, so it has the least state that one can have. Throws PlanTooLargeError. */
export function openJudge(spec: JobSpec, rows: LoadedRows, limits: EngineLimits): Trainer {
  return new Trainer(
    {
      rows: rows.description,
      layers: buildLayers(spec, rows.preparation),
      loss: buildLoss(spec.training.loss, rows),
      heads: buildHeads(spec, rows.preparation),
      optimizer: { type: 'sgd', weightDecay: 0 },
      clipNorm: null,
      clipValue: null,
      batchRows: batchRowsOf(spec, rows),
      seed: spec.training.seed,
    },
    optionsOf(spec, limits),
  );
}

function optionsOf(spec: JobSpec, limits: EngineLimits): TrainerOptions {
  return {
    compiled: limits.compiled,
    threads: spec.resources.threads === 'auto' ? limits.threads : spec.resources.threads,
    maxThreads: limits.maxThreads,
    limitBytes: limits.maxMemoryBytes,
  };
}

/** All that a job takes beyond an idle worker, where the plan's memory is known. */
export function memoryOfJob(trainer: Trainer, { augmentation }: Pick<LoadedRows, 'augmentation'>): number {
  const ready = Math.min(trainer.threads - 1, READY_MEMBERS) * READY_MEMBER_BYTES;
  const beside = CheckpointWriter.bytesOfBest(trainer) + Math.min(bytesOfCheckpoint(trainer), WRITTEN_BYTES);
  return trainer.memoryBytes - ready + (augmentation?.bytes ?? 0) + beside + THREAD_BYTES;
}

/** Weights and optimizer state. */
function bytesOfCheckpoint({ parameterCount, slots }: Trainer): number {
  const ofSlots = slots.reduce((sum, { node }) => sum + elementsOf(node), 0);
  return Float32Array.BYTES_PER_ELEMENT * (parameterCount + ofSlots);
}

/** A job takes so much more while a checkpoint of that size or more is written; one of a smaller checkpoint no more than that. Measured on x86-64. */
export const WRITTEN_BYTES = 24 * 2 ** 20;

/** Members of a team that are ready before there is a job; further ones begin with it. */
export const READY_MEMBERS = Math.min(availableParallelism(), 4) - 1;

/** What such a member has by then, and an idle worker with it. Measured on x86-64. */
const READY_MEMBER_BYTES = 4 * 2 ** 20;

/**
 * What the thread that trains has come to have beyond one that waits for a job, and the next one, made ready with its team while this one trains:
 * heaps, stacks and compiled code. Measured on x86-64; no more with a larger network.
 */
export const THREAD_BYTES = 24 * 2 ** 20;
