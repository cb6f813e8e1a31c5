import * as ort from 'onnxruntime-node';

/** A tensor as onnxruntime takes and gives it. */
export interface OnnxTensor {
  type: 'float32' | 'float64' | 'int64' | 'string' | 'uint8';
  dims: readonly number[];
  data: ArrayLike<unknown>;
}

/** Runs a model on one thread, once for each of the inputs. */
export async function runOnnx(
  model: Uint8Array,
  feeds: readonly Record<string, OnnxTensor>[],
): Promise<Record<string, OnnxTensor>[]> {
  const session = await ort.InferenceSession.create(model, {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  try {
    const outputs: Record<string, OnnxTensor>[] = [];
    for (const feed of feeds) {
      const given = Object.entries(feed).map(([name, { type, dims, data }]) => [
        name,
        new ort.Tensor(type as 'float32', data as Float32Array, dims),
      ]);
      outputs.push((await session.run(Object.fromEntries(given))) as unknown as Record<string, OnnxTensor>);
    }
    return outputs;
  } finally {
    await session.release();
  }
}
