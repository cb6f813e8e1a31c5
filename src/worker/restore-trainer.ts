import { DamagedCheckpointError, loadCheckpoint } from '../checkpoints/checkpoint-file.ts';
import { mergeAdapters } from '../checkpoints/merge-adapters.ts';
import { readTensors, readWeights } from '../checkpoints/read-weights.ts';
import type { Trainer } from '../engine/trainer.ts';
import { isAdapter, isReplaced } from '../spec/lora.ts';
import type { Transfer } from '../spec/weights.ts';
import type { Storage } from '../storage/storage.ts';
import type { Teacher } from './build-network.ts';
import type { CheckpointWriter } from './checkpoint-writer.ts';
import { letGo } from './let-go.ts';
import type { CheckpointPlace, Fallback, TrainerData } from './messages.ts';
import type { Reporter } from './reporter.ts';
import { firstState, type ResumeState } from './resume-state.ts';

/** What a trainer begins with: weights, optimizer state and counters out of files. */

export async function readTeacher(
  storage: Storage,
  { storageKey, sha256 }: Pick<CheckpointPlace, 'storageKey' | 'sha256'>,
): Promise<Teacher> {
  const loaded = await loadCheckpoint(storage, storageKey, { sha256 });
  letGo(loaded.optimizerState.values());
  return { ...loaded, weights: mergeAdapters(loaded) };
}

/**
 * Weights, optimizer state and counters of the newest checkpoint that can be read; or the weights a fine-tuning starts from; or the beginning.
 * Damaged checkpoints are told of, and the one before is taken: from there the same steps lead to the same bits. null: all are damaged.
 */
export async function restore(
  data: TrainerData,
  storage: Storage,
  trainer: Trainer,
  writer: CheckpointWriter,
  reporter: Reporter,
): Promise<ResumeState | null> {
  const damaged: Fallback['damaged'] = [];
  const read = (place: CheckpointPlace) => loadCheckpoint(storage, place.storageKey, { sha256: place.sha256 });
  /** null: it is damaged, and was so when it was read again */
  const readOrNote = async (place: CheckpointPlace) => {
    try {
      return await read(place).catch((error) => {
        if (error instanceof DamagedCheckpointError) return read(place);
        throw error;
      });
    } catch (error) {
      if (!(error instanceof DamagedCheckpointError)) throw error;
      if (!damaged.some(({ id }) => id === place.id)) damaged.push({ id: place.id, detail: error.message });
      return null;
    }
  };
  const weightNames = trainer.parameters.map((p) => p.name);
  const slotNames = trainer.slots.map((s) => s.node.attributes.name as string);
  if (data.resume.length === 0) {
    const setAll = (tensors: ReadonlyMap<string, Float32Array>) => setTensors(trainer, tensors, [...tensors.keys()]);
    if (data.from !== null && (data.spec.model.mapping ?? null) !== null) {
      const { weights, transfer } = await readWeights(storage, data.from, data.spec, trainer.parameters);
      setAll(weights);
      reporter.addEvent({ type: 'job.message', onceKey: 'transfer', data: describeTransfer(transfer) });
    } else if (data.from !== null) {
      const from = await read(data.from);
      // adapters, and a head made anew, begin as they were drawn
      const kept = weightNames.filter((name) => !isAdapter(name) && !isReplaced(data.spec, name));
      setTensors(trainer, mergeAdapters(from), kept);
      letGo(from.weights.values());
    }
    // unless they come with an adapter
    if (data.adapter !== null) setAll(await readTensors(storage, data.adapter));
    return firstState();
  }
  for (const place of data.resume) {
    const latest = await readOrNote(place.latest);
    const best = latest === null || place.best === null ? null : await readOrNote(place.best);
    if (latest === null || (place.best !== null && best === null)) continue;
    setTensors(trainer, latest.weights, weightNames);
    setTensors(trainer, latest.optimizerState, slotNames);
    if (best !== null) writer.restoreBest(best.weights);
    // both kinds may lie in the memory that the file was read into
    for (const { weights, optimizerState } of [latest, ...(best === null ? [] : [best])])
      letGo([...weights.values(), ...optimizerState.values()]);
    if (damaged.length > 0) {
      const { id, step } = place.latest;
      reporter.post({ type: 'fallback', fallback: { damaged, from: { id, step, bestId: place.best?.id ?? null } } });
    }
    const state = latest.resume as unknown as ResumeState;
    Object.assign(trainer.searchScalars, state.search);
    return state;
  }
  reporter.post({ type: 'fallback', fallback: { damaged, from: null } });
  return null;
}

function describeTransfer({ matched, misfits, missing, unused }: Transfer): Record<string, unknown> {
  const message = `Of the parameters ${matched.length} begin with uploaded weights and ${misfits.length + missing.length} as they were drawn; of the tensors ${unused.length} have no use.`;
  return { message, matched: matched.length, misfits: misfits.length, missing: missing.length, unused: unused.length };
}

export function setTensors(
  trainer: Trainer,
  tensors: ReadonlyMap<string, Float32Array>,
  names: readonly string[],
): void {
  for (const name of names) {
    const values = tensors.get(name);
    if (values === undefined) throw new Error(`the checkpoint has no ${name}`);
    trainer.tensor(name).set(values);
  }
}
