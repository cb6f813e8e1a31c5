import { getCheckpointById } from '../db/checkpoints.ts';
import type { Database } from '../db/client.ts';
import { resolveModelVersion } from '../db/model-versions.ts';
import { isModelPath, parseModelPath } from '../spec/model-reference.ts';
import type { Preparation } from '../spec/preparation.ts';
import { placeOf } from './checkpoint-files.ts';
import type { CheckpointPlace } from './messages.ts';

/** Weights that a job begins from, or is taught by. */
export interface Source {
  place: CheckpointPlace;
  preparation: Preparation;
}

/** Where the weights lie that a spec names: a checkpoint, or a version of a model; null: they are gone. */
export async function findSource(db: Database, tenant: string, reference: string): Promise<Source | null> {
  const path = parseModelPath(reference);
  if (isModelPath(reference) && path === null) return null;
  const row =
    path === null ? await getCheckpointById(db, tenant, reference) : await resolveModelVersion(db, tenant, path);
  return row === null ? null : { place: placeOf(row), preparation: row.preparation };
}
