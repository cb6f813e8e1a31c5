import { encodeSafetensors } from '../checkpoints/safetensors.ts';
import type { WeightTensor } from './tensors.ts';

/** Weights alone. `format` in the metadata is what readers of PyTorch look for. */
export async function writeSafetensors(
  tensors: ReadonlyMap<string, WeightTensor>,
  metadata: Record<string, string> = {},
): Promise<Uint8Array> {
  const { sizeBytes, chunks } = encodeSafetensors(
    [...tensors].map(([name, { shape, data }]) => ({ name, dtype: 'F32', shape: [...shape], data })),
    { format: 'pt', ...metadata },
  );
  const bytes = new Uint8Array(sizeBytes);
  let at = 0;
  for await (const chunk of chunks()) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}
