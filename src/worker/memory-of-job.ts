import { availableParallelism } from 'node:os';
import { elementsOf } from '../engine/graph/graph.ts';
import { MEMBER_BYTES, type Trainer } from '../engine/trainer.ts';
import { CheckpointWriter } from './checkpoint-writer.ts';
import type { LoadedRows } from './loaded-rows.ts';

/**
 * What a worker's process grows by at most while it does this job, from when it was idle and had done none; bytes. One that has done a job has some of it
 * already: heaps that have grown and are not given back. What is planned is exact; what V8 takes beside it is not, so that of small jobs this is right to a
 * quarter or so (bench/QUALITY.md).
 */
export function memoryOfJob(trainer: Trainer, { augmentation, readBytes }: LoadedRows): number {
  const ready = Math.min(trainer.threads - 1, READY_MEMBERS) * MEMBER_BYTES;
  const checkpoint = CheckpointWriter.bytesOfBest(trainer) + Math.min(bytesOfCheckpoint(trainer), WRITTEN_BYTES);
  const training = trainer.memoryBytes - ready + (augmentation?.bytes ?? 0) + checkpoint + THREAD_BYTES;
  // before the first step: what was read, and the rows that are made of it; the next thread is not there yet
  return Math.max(training, readBytes + trainer.rowBytes);
}

/** What a job takes that has no room: `neededBytes` of its plan. */
export function memoryOfRefused(neededBytes: number, parameters: number): number {
  return neededBytes + Float32Array.BYTES_PER_ELEMENT * parameters + WRITTEN_BYTES + THREAD_BYTES;
}

/** Weights and optimizer state. */
function bytesOfCheckpoint({ parameterCount, slots }: Trainer): number {
  const ofSlots = slots.reduce((sum, { node }) => sum + elementsOf(node), 0);
  return Float32Array.BYTES_PER_ELEMENT * (parameterCount + ofSlots);
}

/** A job takes so much more while a checkpoint of that size or more is written; one of a smaller checkpoint no more than that. Measured on x86-64. */
const WRITTEN_BYTES = 8 * 2 ** 20;

/** Members of a team that are ready before there is a job, and an idle worker's; further ones begin with it. */
export const READY_MEMBERS = Math.min(availableParallelism(), 4) - 1;

/**
 * The next thread that trains, made ready with its team while this one trains: 35 MiB, and 11 for each member. What this one comes to have beyond what it had
 * while it waited, and the main thread, is about what they give back of their beginnings meanwhile. A job that is over in a second takes less. Measured on x86-64.
 */
const THREAD_BYTES = (35 + 11 * READY_MEMBERS) * 2 ** 20;
