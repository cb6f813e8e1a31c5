import { DamagedCheckpointError } from '../checkpoints/checkpoint-file.ts';
import { DamagedDatasetError } from '../data/open-verified.ts';
import { UnusableColumnError } from '../data/table.ts';
import { PlanTooLargeError } from '../engine/plan/layout.ts';
import { countParameters } from '../engine/training-graph.ts';
import { type EstimateFigures, type EstimateRequest, NotEstimableError } from '../spec/estimate.ts';
import { BlobNotFoundError, type Storage } from '../storage/storage.ts';
import type { Teacher } from './build-network.ts';
import { countUpdates } from './count-updates.ts';
import { letGo } from './let-go.ts';
import { loadRows } from './load-rows.ts';
import { batchRowsOf, type LoadedRows } from './loaded-rows.ts';
import { measureTraining } from './measure-training.ts';
import { memoryOfJob, memoryOfRefused } from './memory-of-job.ts';
import { describeTrainer, type EngineLimits, openTrainer } from './open-trainer.ts';
import { readTeacher } from './restore-trainer.ts';

/** What a job would take: its rows are read, its network is planned, and some of its updates are made. Throws NotEstimableError. */
export async function estimateJob(
  request: EstimateRequest,
  storage: Storage,
  limits: EngineLimits,
): Promise<EstimateFigures> {
  const { spec } = request;
  if (spec.kind === 'evaluate')
    throw new NotEstimableError('an evaluation trains nothing, and takes a few seconds', 'a job that trains');
  const data = { ...request, preparation: null, inherited: request.preparation };
  const rows = await loadRows(data, storage).catch((error: unknown) => {
    if (error instanceof DamagedDatasetError || error instanceof BlobNotFoundError)
      throw new NotEstimableError(error.message, 'the dataset, uploaded again');
    if (!(error instanceof UnusableColumnError)) throw error;
    throw new NotEstimableError(error.message, 'other inputs, another target, or a dataset with this column mended');
  });
  if (rows.train.length === 0)
    throw new NotEstimableError('no row of the training split has a target', 'a target that has values');
  const teacher = await openTeacher(request, storage);
  const sizes = { train: rows.train.length, validation: rows.validation.length, test: rows.test.length };
  const { parts, ...steps } = countSteps(request, rows);
  const common = { rows: sizes, kernels: limits.compiled.build, limit_bytes: limits.maxMemoryBytes, ...steps };
  try {
    const trainer = openTrainer(spec, rows, limits, teacher);
    try {
      rows.write(trainer);
      if (teacher !== null) {
        trainer.setTeacher(teacher.weights);
        letGo(teacher.weights.values());
      }
      const { steps_per_epoch: stepsPerEpoch, total_steps: totalSteps } = steps;
      const counts = { stepsPerEpoch, totalSteps };
      const measured = await measureTraining(spec, rows, trainer, storage, counts);
      const flopsPerStep = trainer.stepFlops * parts;
      return {
        ...common,
        parameters: trainer.parameterCount,
        trained_parameters: trainer.trainedCount,
        fits: true,
        memory_bytes: memoryOfJob(trainer, rows),
        flops_per_step: flopsPerStep,
        flops_per_epoch: flopsPerStep * stepsPerEpoch,
        threads: trainer.threads,
        seconds_per_epoch: measured.secondsPerEpoch,
        seconds: measured.seconds,
        measured_steps: measured.steps,
      };
    } finally {
      await trainer.close();
    }
  } catch (error) {
    if (!(error instanceof PlanTooLargeError)) throw error;
    const parameters = countParameters(describeTrainer(spec, rows, null));
    return {
      ...common,
      parameters,
      trained_parameters: null,
      fits: false,
      memory_bytes: memoryOfRefused(error.neededBytes, parameters),
      ...{ flops_per_step: null, flops_per_epoch: null, threads: null, seconds_per_epoch: null, seconds: null },
      measured_steps: 0,
    };
  }
}

async function openTeacher({ teacher }: EstimateRequest, storage: Storage): Promise<Teacher | null> {
  if (teacher === null) return null;
  return readTeacher(storage, teacher).catch((error: unknown) => {
    if (!(error instanceof DamagedCheckpointError)) throw error;
    throw new NotEstimableError(error.message, 'another teacher');
  });
}

/** `parts`: batches in one update. */
function countSteps({ spec }: EstimateRequest, rows: LoadedRows) {
  const { rows: rowsOfUpdate, inEpoch, total } = countUpdates(spec, rows.train.length);
  return {
    steps_per_epoch: inEpoch,
    total_steps: total,
    parts: Math.ceil(rowsOfUpdate / batchRowsOf(spec, rows)),
  };
}
