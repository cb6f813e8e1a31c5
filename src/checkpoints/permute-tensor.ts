/** Row-major. */
export interface ShapedTensor {
  shape: readonly number[];
  data: Float32Array;
}

/** The dimensions in another order: `order` says for each that comes out which one that came in it is. */
export function permuteTensor({ shape, data }: ShapedTensor, order: readonly number[]): ShapedTensor {
  const dims = order.map((i) => shape[i]!);
  const strides = shape.map((_, i) => shape.slice(i + 1).reduce((product, n) => product * n, 1));
  const steps = order.map((i) => strides[i]!);
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
  return { shape: dims, data: y };
}
