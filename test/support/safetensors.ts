import { encodeSafetensors } from '../../src/checkpoints/safetensors.ts';
import type { Tensor } from '../../src/checkpoints/tensor.ts';

/** A file of such tensors, whole. */
export async function safetensorsOf(tensors: readonly Tensor[]): Promise<Uint8Array<ArrayBuffer>> {
  const pieces: Uint8Array[] = [];
  for await (const piece of encodeSafetensors(tensors).chunks()) pieces.push(piece);
  return new Uint8Array(Buffer.concat(pieces));
}

/** A file with a header of one's own making, right or wrong. */
export function rawSafetensors(header: string, data: Uint8Array = new Uint8Array(0)): Uint8Array<ArrayBuffer> {
  const text = Buffer.from(header);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return new Uint8Array(Buffer.concat([length, text, data]));
}
