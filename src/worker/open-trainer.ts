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
