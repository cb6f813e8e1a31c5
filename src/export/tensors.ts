import { permuteTensor } from '../checkpoints/permute-tensor.ts';

/** Weights by parameter name, as a checkpoint has them: row-major, channels last, (inputs, units). */
export interface WeightTensor {
  shape: readonly number[];
  data: Float32Array;
}
export type Weights = ReadonlyMap<string, WeightTensor>;

/** Throws where there is none. */
export function weightOf(weights: Weights, name: string): WeightTensor {
  const found = weights.get(name);
  if (found === undefined) throw new Error(`no weights for ${name}`);
  return found;
}

/** (in, out) to (out, in) */
export function transposeTensor(tensor: WeightTensor): WeightTensor {
  return permuteTensor(tensor, [1, 0]);
}

/** Runs of `units` along the last dimension in another order: gates of a recurrent layer. */
export function reorderRuns(tensor: WeightTensor, units: number, order: readonly number[]): WeightTensor {
  const { shape, data } = tensor;
  const width = shape.at(-1)!;
  const y = new Float32Array(data.length);
  for (let row = 0; row < data.length; row += width) {
    order.forEach((run, i) => {
      y.set(data.subarray(row + run * units, row + (run + 1) * units), row + i * units);
    });
  }
  return { shape, data: y };
}

/** Columns from `first` on of a matrix, or values of a vector. */
export function sliceColumns({ shape, data }: WeightTensor, first: number, count: number): WeightTensor {
  const width = shape.at(-1)!;
  const rows = data.length / width;
  const y = new Float32Array(rows * count);
  for (let row = 0; row < rows; row++)
    y.set(data.subarray(row * width + first, row * width + first + count), row * count);
  return { shape: [...shape.slice(0, -1), count], data: y };
}

/** One behind the other, along the first dimension. */
export function stackTensors(tensors: readonly WeightTensor[]): WeightTensor {
  const data = new Float32Array(tensors.reduce((sum, one) => sum + one.data.length, 0));
  let at = 0;
  for (const one of tensors) {
    data.set(one.data, at);
    at += one.data.length;
  }
  const [, ...rest] = tensors[0]!.shape;
  return { shape: [tensors.reduce((sum, one) => sum + one.shape[0]!, 0), ...rest], data };
}
