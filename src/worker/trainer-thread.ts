import { once } from 'node:events';
import { type MessagePort, parentPort } from 'node:worker_threads';
import { DamagedCheckpointError, loadCheckpoint } from '../checkpoints/checkpoint-file.ts';
import { mergeAdapters } from '../checkpoints/merge-adapters.ts';
import { DamagedDatasetError } from '../data/open-verified.ts';
import { UnusableColumnError } from '../data/table.ts';
import { PlanTooLargeError } from '../engine/plan/layout.ts';
import { prepareMembers } from '../engine/team/members.ts';
import type { Trainer } from '../engine/trainer.ts';
import { type CurveEnd, diagnoseCurve } from '../judging/diagnose-curve.ts';
import type { Diagnosis } from '../spec/diagnosis.ts';
import { openStorage } from '../storage/describe.ts';
import { BlobNotFoundError, type Storage, StorageFailedError } from '../storage/storage.ts';
import { CheckpointWriter } from './checkpoint-writer.ts';
import { measureConstantLoss } from './constant-loss.ts';
import { describeDivergence } from './describe-divergence.ts';
import { judgeResult } from './judge-result.ts';
import { letGo } from './let-go.ts';
import { loadRows } from './load-rows.ts';
import { type LoadedRows, MOST_NOTES } from './loaded-rows.ts';
import { memoryOfJob, READY_MEMBERS } from './memory-of-job.ts';
import { type Outcome, StopRequest, type TrainerData } from './messages.ts';
import { openJudge, openTrainer } from './open-trainer.ts';
import { Reporter, StopAskedError } from './reporter.ts';
import { readTeacher, restore, setTensors } from './restore-trainer.ts';
import type { ResumeState } from './resume-state.ts';
import { type LoopEnd, TrainLoop } from './train-loop.ts';
import { whenStorageIsWell } from './when-storage-is-well.ts';

/**
 * Entry of the thread that trains one job: load → build → train → evaluate → save. It leads the engine's team and computes all the time, so
 * nobody may wait for it; the main thread of the process holds the lease.
 */
async function train(data: TrainerData, reporter: Reporter): Promise<Outcome> {
  const { spec } = data;
  const storage = openStorage(data.storage);
  const rows = await whenStorageIsWell(reporter, () => loadRows(data, storage));
  if (spec.kind === 'evaluate') return evaluate(data, rows, storage, reporter);
  if (rows.train.length === 0)
    return refuse(
      'dataset_not_usable',
      'No row of the training split has a target.',
      'Check the target column for missing values.',
    );

  const { teacher: teaching } = data;
  const teacher = teaching === null ? null : await whenStorageIsWell(reporter, () => readTeacher(storage, teaching));
  const trainer = openTrainer(spec, rows, data, teacher);
  try {
    reporter.post({
      type: 'started',
      threads: trainer.threads,
      parameters: trainer.parameterCount,
      trained: trainer.trainedCount,
      memoryBytes: memoryOfJob(trainer, rows),
      notes: rows.notes.slice(0, MOST_NOTES),
    });
    rows.write(trainer);
    trainer.initialize();
    if (teacher !== null) {
      trainer.setTeacher(teacher.weights);
      letGo(teacher.weights.values());
    }
    const writer = new CheckpointWriter(storage, data.jobId, spec, rows.preparation, trainer);
    const state = await whenStorageIsWell(reporter, () => restore(data, storage, trainer, writer, reporter));
    if (state === null) {
      return fail(
        'checkpoint_damaged',
        'None of the checkpoints can be read as it was written.',
        'Try the job again: it begins anew.',
      );
    }
    const constantLoss = measureConstantLoss(trainer, rows, spec);
    const diagnose = (end: Omit<CurveEnd, 'reference'>) =>
      diagnoseCurve(state.curve ?? [], { reference: constantLoss ?? state.firstLoss ?? null, ...end });
    reporter.diagnose = () => ((state.curve ?? []).length === 0 ? null : diagnose({ stoppedEarly: false }));
    if (state.step === 0)
      for (const [i, { code, message, data: figures = {} }] of rows.notes.slice(0, MOST_NOTES).entries())
        reporter.addEvent({ type: 'job.message', onceKey: `note:${i}`, data: { code, message, ...figures } });
    const loop = new TrainLoop(spec, rows, trainer, writer, reporter, state, data.trainedSeconds);
    const end = await loop.run();
    reporter.phase = 'saving';
    // an update that overflowed must not be what a resume or a prediction finds
    trainer.settle();
    const isSpoilt = !trainer.hasFiniteWeights();
    const isSaved = isSpoilt || (await loop.checkpoints.writeLast());
    if (!isSaved && end !== 'cancelled' && end !== 'drained' && reporter.stopRequest === StopRequest.none) {
      const { code, message } = loop.checkpoints.trouble!;
      return fail(code, `${message}.`, 'Mend the storage or make room, and try the job again.');
    }
    if (!isSaved && end !== 'cancelled') return { status: 'released' };
    return await conclude(end, { data, storage, rows, trainer, writer, reporter, state, loop, diagnose });
  } finally {
    await trainer.close();
  }
}

/** Judges a checkpoint. Nothing of it is kept on the way: whoever takes the job up begins anew. */
async function evaluate(data: TrainerData, rows: LoadedRows, storage: Storage, reporter: Reporter): Promise<Outcome> {
  const { spec, from } = data;
  if (from === null) throw new Error('an evaluation is of a checkpoint');
  if (rows.test.length === 0)
    return refuse(
      'dataset_not_usable',
      'No row that is to be judged has a target.',
      'Check the target column for missing values, or judge all rows.',
    );
  const trainer = openJudge(spec, rows, data);
  try {
    reporter.post({
      type: 'started',
      threads: trainer.threads,
      parameters: trainer.parameterCount,
      trained: 0,
      memoryBytes: memoryOfJob(trainer, rows),
      notes: rows.notes.slice(0, MOST_NOTES),
    });
    rows.write(trainer);
    const read = () => loadCheckpoint(storage, from.storageKey, { sha256: from.sha256 });
    const weights = mergeAdapters(await whenStorageIsWell(reporter, read));
    setTensors(
      trainer,
      weights,
      trainer.parameters.map(({ name }) => name),
    );
    letGo(weights.values());
    const none = { step: 0, total_steps: 0, epoch: 0, epochs: 0, eta_s: null, samples_per_s: null, metrics: {} };
    const judged = await judgeResult({ trainer, rows, data, storage }, from.step, reporter, (percentage) => ({
      ...none,
      percentage,
    }));
    const metrics = Object.fromEntries(
      Object.entries(judged.scores.test ?? {}).map(([name, value]) => [`${rows.judgedAs}.${name}`, value]),
    );
    reporter.send({ ...none, percentage: 100, metrics });
    const weightsJudged = { which: 'given', checkpoint: from.id, step: from.step, epoch: from.epoch } as const;
    const { splits, importance, notes, outcomes } = judged;
    const evaluation = { figures: { weights: weightsJudged, splits, importance, notes }, outcomes };
    return { status: 'succeeded', stopReason: 'completed', metrics, evaluation };
  } finally {
    await trainer.close();
  }
}

/** A network whose training is over, and whom it is told to. */
interface Trained {
  data: TrainerData;
  storage: Storage;
  rows: LoadedRows;
  trainer: Trainer;
  writer: CheckpointWriter;
  reporter: Reporter;
  state: ResumeState;
  loop: TrainLoop;
  diagnose(end: Omit<CurveEnd, 'reference'>): Diagnosis;
}

async function conclude(end: LoopEnd, trained: Trained): Promise<Outcome> {
  const { data, trainer, writer, reporter, state, loop, diagnose } = trained;
  if (end === 'drained') return { status: 'released' };
  if (end === 'cancelled') return { status: 'cancelled' };
  if (end === 'diverged') {
    const { step, epoch } = state;
    const isKept = trainer.hasFiniteWeights();
    const error = describeDivergence(loop.divergence, { step, epoch, isKept });
    const diagnosis: Diagnosis = { verdict: 'diverged', reason: error.message, advice: error.hint };
    return { status: 'failed', stopReason: 'diverged', error, diagnosis };
  }
  // training rows are judged as they were read
  trained.rows.augmentation?.restore();
  const metrics: Record<string, number> = { ...state.metrics };
  if (state.best !== null) {
    if (writer.hasBest) writer.useBest();
    metrics['best.epoch'] = state.best.epoch;
    metrics[`best.${data.spec.checkpoints.best}`] = state.best.value;
  }
  const { splits, scores, importance, notes, outcomes } = await judgeResult(trained, state.step, reporter, () =>
    loop.progress(),
  );
  const [train, validation] = [scores.train?.loss, scores.validation?.loss];
  const result = train === undefined || validation === undefined ? {} : { result: { train, validation } };
  const diagnosis = diagnose({ stoppedEarly: end === 'early_stopped', ...result });
  reporter.diagnose = () => diagnosis;
  for (const [name, value] of Object.entries(scores.test ?? {})) {
    metrics[`test.${name}`] = value;
    reporter.addPoint({ name, split: 'test', step: state.step, epoch: state.epoch, value });
  }
  reporter.send(loop.progress());
  const { step, epoch } = state.best ?? state;
  const weights = { which: state.best === null ? 'latest' : 'best', checkpoint: null, step, epoch } as const;
  const evaluation = { figures: { weights, splits, importance, notes }, outcomes };
  return { status: 'succeeded', stopReason: end, metrics, diagnosis, evaluation };
}

/** The client can do something about it. */
function refuse(code: string, message: string, hint: string): Outcome {
  return { status: 'failed', stopReason: 'error', error: { code, category: 'user', message, hint } };
}

/** It is the service's own fault. */
function fail(code: string, message: string, hint: string): Outcome {
  return { status: 'failed', stopReason: 'error', error: { code, category: 'server', message, hint } };
}

const port = parentPort as MessagePort;
// the thread is made ready before there is a job for it, and so is most of what it may lead
prepareMembers(READY_MEMBERS);
const [data] = (await once(port, 'message')) as [TrainerData];
const reporter = new Reporter(port, new Int32Array(data.control));
// while files are read and written; steps say for themselves that they go on
setInterval(() => reporter.beat(), 1000).unref();
try {
  reporter.post({ type: 'outcome', outcome: await train(data, reporter) });
} catch (error) {
  reporter.post({ type: 'outcome', outcome: explain(error, reporter) });
}

/** What the client can do something about ends the job with a word; anything else is the thread's own failure. */
function explain(error: unknown, { stopRequest }: Reporter): Outcome {
  // what was trained is in a checkpoint: whoever takes the job up evaluates anew
  if (error instanceof StopAskedError) return { status: stopRequest === StopRequest.cancel ? 'cancelled' : 'released' };
  const sentence = (text: string) => `${text[0]!.toUpperCase()}${text.slice(1)}.`;
  if (error instanceof PlanTooLargeError) {
    return refuse(
      'model_too_large',
      sentence(error.message),
      'Make the layers narrower, the batch smaller, or the dataset shorter.',
    );
  }
  if (error instanceof UnusableColumnError) {
    return refuse(
      'dataset_not_usable',
      sentence(error.message),
      'Name other inputs or another target, or upload the dataset with this column mended.',
    );
  }
  if (error instanceof DamagedDatasetError || error instanceof BlobNotFoundError) {
    return fail('dataset_damaged', sentence(error.message), 'Upload the dataset again, and clone the job with it.');
  }
  if (error instanceof StorageFailedError) {
    return fail('storage_failed', sentence(error.message), 'Mend the storage, and try the job again.');
  }
  if (error instanceof DamagedCheckpointError) {
    return fail('checkpoint_damaged', sentence(error.message), 'Begin from another checkpoint.');
  }
  throw error;
}
