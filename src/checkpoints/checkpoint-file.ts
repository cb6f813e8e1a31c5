import { createHash } from 'node:crypto';
import type { JobSpec } from '../spec/job-spec.ts';
import type { Preparation } from '../spec/preparation.ts';
import { BlobNotFoundError, type Storage, type StoredBlob } from '../storage/storage.ts';
import { parseState, stringifyState } from './resume-json.ts';
import { decodeSafetensors, encodeSafetensors, LARGEST_HEADER_BYTES } from './safetensors.ts';
import type { Tensor } from './tensor.ts';

/**
 * A checkpoint is one safetensors file that any reader opens:
 * - weights under their parameters' names: `dense_1.weight` (inputs, units), `dense_1.bias` (units);
 * - optimizer state under `optimizer/…`: `optimizer/adam/m/dense_1.weight`;
 * - in the metadata, as JSON texts: `trainyard.resume`, `trainyard.spec`, `trainyard.preparation`; `trainyard.learning_rate` where a range test found
 *   it; and `trainyard.format`.
 */
const FORMAT = '1';
const OPTIMIZER_PREFIX = 'optimizer/';

export interface NamedTensor {
  name: string;
  shape: number[];
  data: Float32Array;
}

export interface CheckpointContent {
  weights: NamedTensor[];
  /** names begin with `optimizer/` */
  optimizerState?: NamedTensor[];
  /** what training needs to go on, as JSON; null: only for predictions and as a beginning */
  resume: Record<string, unknown> | null;
  spec: JobSpec;
  preparation: Preparation;
  /** what the schedule acted on, where the spec says auto */
  learningRate?: number | undefined;
}

export interface LoadedCheckpoint {
  weights: Map<string, Float32Array>;
  optimizerState: Map<string, Float32Array>;
  /** row-major shapes of weights and optimizer state, by name */
  shapes: Map<string, number[]>;
  resume: Record<string, unknown> | null;
  spec: JobSpec;
  preparation: Preparation;
  /** what a range test found; absent where the spec gives a learning rate, and in checkpoints from before it was kept */
  learningRate?: number;
}

/** The checkpoint must not be used: it is gone, its bytes are not those that were written, or they do not make sense. */
export class DamagedCheckpointError extends Error {
  readonly code = 'checkpoint_damaged';
  readonly key: string;
  readonly reason: 'missing' | 'digest' | 'content';
  constructor(key: string, reason: 'missing' | 'digest' | 'content', detail: string, cause?: unknown) {
    super(`the checkpoint at ${key} cannot be used: ${detail}`, { cause });
    this.key = key;
    this.reason = reason;
  }
}

/** Writes a checkpoint; it is whole under its key, or absent. The tensors must not change meanwhile. Errors: StorageFullError. */
export async function saveCheckpoint(
  storage: Storage,
  key: string,
  content: CheckpointContent,
  options: { signal?: AbortSignal } = {},
): Promise<StoredBlob> {
  const { weights, optimizerState = [] } = content;
  for (const { name } of weights) {
    if (name.startsWith(OPTIMIZER_PREFIX)) throw new RangeError(`a weight cannot be called ${name}`);
  }
  for (const { name } of optimizerState) {
    if (!name.startsWith(OPTIMIZER_PREFIX)) throw new RangeError(`optimizer state cannot be called ${name}`);
  }
  const tensors: Tensor[] = [...weights, ...optimizerState].map((tensor) => ({ ...tensor, dtype: 'F32' }));
  const { chunks } = encodeSafetensors(tensors, {
    'trainyard.format': FORMAT,
    'trainyard.resume': stringifyState(content.resume),
    'trainyard.spec': stringifyState(content.spec),
    'trainyard.preparation': stringifyState(content.preparation),
    ...(content.learningRate !== undefined && { 'trainyard.learning_rate': String(content.learningRate) }),
  });
  return storage.put(key, chunks(), options);
}

/**
 * Reads a checkpoint into memory, and compares its digest before it hands anything out.
 * Errors: DamagedCheckpointError, also where there is no such blob; a failing storage's own errors.
 */
export async function loadCheckpoint(
  storage: Storage,
  key: string,
  { sha256 }: { sha256: string },
): Promise<LoadedCheckpoint> {
  const bytes = await readVerified(storage, key, sha256);
  try {
    const { tensors, metadata } = decodeSafetensors(bytes, { largestHeaderBytes: LARGEST_HEADER_BYTES });
    if (metadata['trainyard.format'] !== FORMAT) {
      throw new Error(
        `its format is ${metadata['trainyard.format'] ?? 'not that of a checkpoint'}; this version reads ${FORMAT}`,
      );
    }
    const learningRate = metadata['trainyard.learning_rate'];
    const loaded: LoadedCheckpoint = {
      weights: new Map(),
      optimizerState: new Map(),
      shapes: new Map(),
      resume: parseState(metadata['trainyard.resume']!) as Record<string, unknown> | null,
      spec: parseState(metadata['trainyard.spec']!) as JobSpec,
      preparation: parseState(metadata['trainyard.preparation']!) as Preparation,
      ...(learningRate !== undefined && { learningRate: Number(learningRate) }),
    };
    for (const { name, shape, data } of tensors.values()) {
      if (!(data instanceof Float32Array)) throw new Error(`${name} is not F32`);
      (name.startsWith(OPTIMIZER_PREFIX) ? loaded.optimizerState : loaded.weights).set(name, data);
      loaded.shapes.set(name, shape);
    }
    return loaded;
  } catch (error) {
    throw new DamagedCheckpointError(key, 'content', (error as Error).message, error);
  }
}

/** A whole file, if its digest is right. Errors: DamagedCheckpointError. */
export async function readVerified(storage: Storage, key: string, sha256: string): Promise<Uint8Array> {
  const hash = createHash('sha256');
  const bytes = await storage
    .load(key, (piece) => void hash.update(piece))
    .catch((error) => {
      throw error instanceof BlobNotFoundError
        ? new DamagedCheckpointError(key, 'missing', 'it is gone', error)
        : error;
    });
  const found = hash.digest('hex');
  if (found !== sha256) {
    throw new DamagedCheckpointError(
      key,
      'digest',
      `its sha256 is ${found} (${bytes.length} bytes), and should be ${sha256}`,
    );
  }
  return bytes;
}
