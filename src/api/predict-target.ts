import type { FastifyRequest } from 'fastify';
import { findAskedCheckpoint } from '../db/checkpoints.ts';
import { findAskedVersion } from '../db/model-versions.ts';
import { ApiError } from '../spec/errors.ts';
import {
  describeUnknownModel,
  LATEST,
  type ModelReference,
  parseModelReference,
  parseVersion,
} from '../spec/model-reference.ts';
import type { TrainedNetwork } from '../spec/prediction.ts';
import type { Preparation } from '../spec/preparation.ts';
import { type ApiDeps, ofTenant } from './deps.ts';
import { checkId } from './request-parts.ts';
import { findCheckpointOf } from './routes/checkpoints.ts';

/** Who answers, and what the answer says of it. */
export interface PredictTarget {
  network: TrainedNetwork;
  preparation: Preparation;
  label: { checkpoint: string; model?: string; version?: number };
}

/** A checkpoint of the job in the address; without a reference its best, or its latest where nothing was the best yet. */
export async function findJobTarget(
  deps: ApiDeps,
  request: FastifyRequest,
  reference: string | undefined,
): Promise<PredictTarget> {
  const { tenant, db } = ofTenant(deps, request);
  const jobId = checkId('job', (request.params as { id: string }).id);
  const row = await findAskedCheckpoint(db, tenant, jobId, reference ?? null);
  const { id, storageKey, sha256, preparation } = row ?? (await findCheckpointOf(deps, request, reference ?? 'latest'));
  return { network: { storageKey, sha256 }, preparation, label: { checkpoint: id } };
}

/** The version of the model in the address: `digits@champion`, or `digits` and `version`; without either the newest. */
export async function findModelTarget(
  deps: ApiDeps,
  request: FastifyRequest,
  version: string | undefined,
): Promise<PredictTarget> {
  const { name } = request.params as { name: string };
  const reference = readReference(name, version);
  const { tenant, db } = ofTenant(deps, request);
  const row = await findAskedVersion(db, tenant, reference);
  if (row === null) throw new ApiError('model_not_found', describeUnknownModel(reference));
  const { storageKey, sha256, preparation, checkpointId } = row;
  return {
    network: { storageKey, sha256 },
    preparation,
    label: { model: row.model, version: row.version, checkpoint: checkpointId },
  };
}

function readReference(name: string, version: string | undefined): ModelReference {
  const named = parseModelReference(name);
  const parsed = version === undefined ? null : parseVersion(version);
  if (named === null || (version !== undefined && parsed === null))
    throw new ApiError('invalid_id', 'A model is told as digits, digits@3 or digits@champion, lower case.');
  if (parsed === null) return named;
  if (named.version !== LATEST && named.version !== parsed)
    throw new ApiError('invalid_field', `/version: the address says ${named.version} already.`, {
      errors: [
        { pointer: '/version', code: 'invalid_field', detail: 'the address tells another', expected: 'one of the two' },
      ],
    });
  return { name: named.name, version: parsed };
}
