import { DamagedDatasetError } from '../data/open-verified.ts';
import { UnusableColumnError } from '../data/table.ts';
import { PlanTooLargeError } from '../engine/plan/layout.ts';
import { countParameters } from '../engine/training-graph.ts';
import { type EstimateFigures, type EstimateRequest, NotEstimableError } from '../spec/estimate.ts';
import { BlobNotFoundError, type Storage } from '../storage/storage.ts';
import { countUpdates } from './count-updates.ts';
import { loadRows } from './load-rows.ts';
import { batchRowsOf, type LoadedRows } from './loaded-rows.ts';
import { measureTraining } from './measure-training.ts';
import { memoryOfJob, memoryOfRefused } from './memory-of-job.ts';
import { describeTrainer, type EngineLimits, openTrainer } from './open-trainer.ts';

/** What a job would take: its rows are read, its network is planned, and some of its updates are made. Throws NotEstimableError. */
export async function estimateJob(
  request: EstimateRequest,
  storage: Storage,
  limits: EngineLimits,
): Promise<EstimateFigures> {
  const { spec } = request;
  if (spec.kind === 'evaluate')
    throw new NotEstimableError('an evaluation trains nothing, and takes a few seconds', 'a job that trains');
  if ((spec.training.distillation ?? null) !== null)
    throw new NotEstimableError('what a teacher costs is not told', 'training.distillation null');
  const data = { ...request, preparation: null, inherited: request.preparation };
  const rows = await loadRows(data, storage).catch((error: unknown) => {
    if (error instanceof DamagedDatasetError || error instanceof BlobNotFoundError)
      throw new NotEstimableError(error.message, 'the dataset, uploaded again');
    if (!(error instanceof UnusableColumnError)) throw error;
    throw new NotEstimableError(error.message, 'other inputs, another target, or a dataset with this column mended');
  });
  if (rows.train.length === 0)
    throw new NotEstimableError('no row of the training split has a target', 'a target that has values');
  const sizes = { train: rows.train.length, validation: rows.validation.length, test: rows.test.length };
  const { parts, ...steps } = countSteps(request, rows);
  const common = { rows: sizes, kernels: limits.compiled.build, limit_bytes: limits.maxMemoryBytes, ...steps };
  try {
    const trainer = openTrainer(spec, rows, limits, null);
    try {
      rows.write(trainer);
      const { steps_per_epoch: stepsPerEpoch, total_steps: totalSteps } = steps;
      const counts = { stepsPerEpoch, totalSteps };
      const measured = await measureTraining(spec, rows, trainer, storage, counts);
      const flopsPerStep = trainer.stepFlops * parts;
      return {
        ...common,
        parameters: trainer.parameterCount,
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
      fits: false,
      memory_bytes: memoryOfRefused(error.neededBytes, parameters),
      ...{ flops_per_step: null, flops_per_epoch: null, threads: null, seconds_per_epoch: null, seconds: null },
      measured_steps: 0,
    };
  }
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
