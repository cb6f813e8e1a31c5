import type { JobSpec } from '../spec/job.ts';
import { matchWeights } from '../spec/match-weights.ts';
import type { ParameterForm } from '../spec/torch-form.ts';
import type { Transfer } from '../spec/weights.ts';
import type { Storage } from '../storage/storage.ts';
import { readVerified } from './checkpoint-file.ts';
import { readHeader } from './safetensors-header.ts';
import { toFloats } from './to-floats.ts';

const LARGEST_HEADER_BYTES = 2 ** 20;

interface FileTensor {
  shape: readonly number[];
  data: Float32Array;
}

/**
 * Weights that a client uploaded, by the parameters that they are for, in the parameters' own order of dimensions.
 * Errors: DamagedCheckpointError.
 */
export async function readWeights(
  storage: Storage,
  { storageKey, sha256 }: { storageKey: string; sha256: string },
  spec: JobSpec,
  parameters: readonly { name: string; shape: readonly number[] }[],
): Promise<{ weights: Map<string, Float32Array>; transfer: Transfer }> {
  const bytes = await readVerified(storage, storageKey, sha256);
  const { entries, dataStart } = readHeader(bytes, LARGEST_HEADER_BYTES);
  const rules = parameters.map(({ name, shape }) => ({ name, dims: [...shape] }));
  const { matches, transfer } = matchWeights(spec, rules, entries);
  const places = new Map(entries.map((entry) => [entry.name, entry]));
  const read = (name: string): FileTensor => {
    const { dtype, shape, begin, end } = places.get(name)!;
    // aligned, whatever stands before it
    const own = new Uint8Array(bytes.subarray(dataStart + begin, dataStart + end));
    return { shape, data: toFloats(dtype, own)! };
  };
  const weights = new Map(
    matches.map(({ parameter, form, tensors }) => [parameter, assemble(form, tensors.map(read))]),
  );
  return { weights, transfer };
}

function assemble({ tensors, first, added }: ParameterForm, [main, second]: FileTensor[]): Float32Array {
  const data = permute(main!, tensors[0]!.order);
  if (second === undefined) return first === 0 ? data : data.slice(first);
  for (let i = 0; i < (added ?? data.length); i++) data[i]! += second.data[i]!;
  return data;
}

/** `order[i]`: which dimension of what comes in the i-th of what comes out is */
function permute({ shape, data }: FileTensor, order: readonly number[]): Float32Array {
  if (order.every((at, i) => at === i)) return data;
  const strides = shape.map((_, i) => shape.slice(i + 1).reduce((product, n) => product * n, 1));
  const dims = order.map((at) => shape[at]!);
  const steps = order.map((at) => strides[at]!);
  const y = new Float32Array(data.length);
  const place = dims.map(() => 0);
  let from = 0;
  for (let at = 0; at < y.length; at++) {
    y[at] = data[from]!;
    for (let d = dims.length - 1; d >= 0; d--) {
      from += steps[d]!;
      if (++place[d]! < dims[d]!) break;
      from -= steps[d]! * dims[d]!;
      place[d] = 0;
    }
  }
  return y;
}
