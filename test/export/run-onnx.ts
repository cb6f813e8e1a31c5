import * as ort from 'onnxruntime-node';

/** A tensor as onnxruntime takes and gives it. */
export interface OnnxTensor {
  type: 'float32' | 'float64' | 'int64' | 'string' | 'uint8';
  dims: readonly number[];
  data: ArrayLike<unknown>;
}

/** Runs a model on one thread. */
export async function runOnnx(
  model: Uint8Array,
  feeds: Record<string, OnnxTensor>,
): Promise<Record<string, OnnxTensor>> {
  const session = await ort.InferenceSession.create(model, {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  try {
    const given = Object.entries(feeds).map(([name, { type, dims, data }]) => [
      name,
      new ort.Tensor(type as 'float32', data as Float32Array, dims),
    ]);
    const outputs = await session.run(Object.fromEntries(given));
    return outputs as unknown as Record<string, OnnxTensor>;
  } finally {
    await session.release();
  }
}
