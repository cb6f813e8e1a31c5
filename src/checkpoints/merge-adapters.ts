import { isAdapter } from '../spec/lora.ts';
import type { LoadedCheckpoint } from './checkpoint-file.ts';

/** Of a checkpoint with low-rank adapters, weights that tell the same without them: W + (alpha / rank)·A·B. */
export function mergeAdapters({
  weights,
  shapes,
  spec,
}: Pick<LoadedCheckpoint, 'weights' | 'shapes' | 'spec'>): Map<string, Float32Array> {
  const { lora = null } = spec.model;
  const merged = new Map([...weights].filter(([name]) => !isAdapter(name)));
  if (lora === null) return merged;
  for (const [name, a] of weights) {
    if (!name.endsWith('.lora_a')) continue;
    const product = name.slice(0, -'.lora_a'.length);
    const b = weights.get(`${product}.lora_b`);
    const w = merged.get(`${product}.weight`);
    if (b === undefined || w === undefined) throw new Error(`${product} has no weights that its adapter is for`);
    merged.set(`${product}.weight`, addProduct(w, a, b, shapes.get(name)!, lora.alpha / lora.rank));
  }
  return merged;
}

/** w (…, out) + scale·a (…, rank)·b (rank, out), each element rounded once; what is in front is of a convolution one long side */
function addProduct(
  w: Float32Array,
  a: Float32Array,
  b: Float32Array,
  shape: readonly number[],
  scale: number,
): Float32Array {
  const sum = new Float32Array(w.length);
  const rank = shape.at(-1)!;
  const from = a.length / rank;
  const width = w.length / from;
  const row = new Float64Array(width);
  for (let i = 0; i < from; i++) {
    row.fill(0);
    for (let r = 0; r < rank; r++) {
      const factor = a[i * rank + r]!;
      for (let j = 0; j < width; j++) row[j]! += factor * b[r * width + j]!;
    }
    for (let j = 0; j < width; j++) sum[i * width + j] = w[i * width + j]! + scale * row[j]!;
  }
  return sum;
}
