import type { JobSpec } from '../spec/job-spec.ts';
import { matchWeights } from '../spec/match-weights.ts';
import type { ParameterForm } from '../spec/torch-form.ts';
import type { Transfer } from '../spec/weights.ts';
import type { Storage } from '../storage/storage.ts';
import { readVerified } from './checkpoint-file.ts';
import { permuteTensor, type ShapedTensor } from './permute-tensor.ts';
import { readHeader } from './safetensors-header.ts';
import { toFloats } from './to-floats.ts';

const LARGEST_HEADER_BYTES = 2 ** 20;

interface Place {
  storageKey: string;
  sha256: string;
}

/** Tensors that a client uploaded, by their names, all of floating-point numbers. Errors: DamagedCheckpointError. */
export async function readTensors(storage: Storage, place: Place): Promise<Map<string, Float32Array>> {
  const { entries, read } = await openWeights(storage, place);
  return new Map(entries.map(({ name }) => [name, read(name).data]));
}

async function openWeights(storage: Storage, { storageKey, sha256 }: Place) {
  const bytes = await readVerified(storage, storageKey, sha256);
  const { entries, dataStart } = readHeader(bytes, LARGEST_HEADER_BYTES);
  const places = new Map(entries.map((entry) => [entry.name, entry]));
  const read = (name: string): ShapedTensor => {
    const { dtype, shape, begin, end } = places.get(name)!;
    // aligned, whatever stands before it
    const own = new Uint8Array(bytes.subarray(dataStart + begin, dataStart + end));
    return { shape, data: toFloats(dtype, own)! };
  };
  return { entries, read };
}

/**
 * Weights that a client uploaded, by the parameters that they are for, in the parameters' own order of dimensions.
 * Errors: DamagedCheckpointError.
 */
export async function readWeights(
  storage: Storage,
  place: Place,
  spec: JobSpec,
  parameters: readonly { name: string; shape: readonly number[] }[],
): Promise<{ weights: Map<string, Float32Array>; transfer: Transfer }> {
  const { entries, read } = await openWeights(storage, place);
  const rules = parameters.map(({ name, shape }) => ({ name, dims: [...shape] }));
  const { matches, transfer } = matchWeights(spec, rules, entries);
  const weights = new Map(
    matches.map(({ parameter, form, tensors }) => [parameter, assemble(form, tensors.map(read))]),
  );
  return { weights, transfer };
}

function assemble({ tensors, first, added }: ParameterForm, [main, second]: ShapedTensor[]): Float32Array {
  const { order } = tensors[0]!;
  const { data } = order.every((at, i) => at === i) ? main! : permuteTensor(main!, order);
  if (second === undefined) return first === 0 ? data : data.slice(first);
  for (let i = 0; i < (added ?? data.length); i++) data[i]! += second.data[i]!;
  return data;
}
