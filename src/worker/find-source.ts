import { getCheckpointById } from '../db/checkpoints.ts';
import type { Database } from '../db/client.ts';
import { resolveModelVersion } from '../db/model-versions.ts';
import { getWeights } from '../db/weights.ts';
import { isUpload } from '../spec/fine-tune.ts';
import { isModelPath, parseModelPath } from '../spec/model-reference.ts';
import type { Preparation } from '../spec/preparation.ts';
import { placeOf } from './checkpoint-files.ts';
import type { CheckpointPlace } from './messages.ts';

/** Weights that a job begins from, or is taught by. */
export interface Source {
  place: CheckpointPlace;
  /** null: a client uploaded them */
  preparation: Preparation | null;
}

/** Where the weights lie that a spec names: a checkpoint, a version of a model, or uploaded ones; null: they are gone. */
export async function findSource(db: Database, tenant: string, reference: string): Promise<Source | null> {
  if (isUpload(reference)) {
    const row = await getWeights(db, tenant, reference);
    return row === null ? null : { place: placeOf({ ...row, step: 0, epoch: 0 }), preparation: null };
  }
  const path = parseModelPath(reference);
  if (isModelPath(reference) && path === null) return null;
  const row =
    path === null ? await getCheckpointById(db, tenant, reference) : await resolveModelVersion(db, tenant, path);
  return row === null ? null : { place: placeOf(row), preparation: row.preparation };
}
