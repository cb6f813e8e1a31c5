/** Bytes of one element, half-precision numbers as their bits; tensors lie in falling order of it, so that every one of them is aligned. */
export const DTYPES = {
  F64: { bytes: 8, array: Float64Array },
  I64: { bytes: 8, array: BigInt64Array },
  F32: { bytes: 4, array: Float32Array },
  I32: { bytes: 4, array: Int32Array },
  U32: { bytes: 4, array: Uint32Array },
  U64: { bytes: 8, array: BigUint64Array },
  F16: { bytes: 2, array: Uint16Array },
  BF16: { bytes: 2, array: Uint16Array },
  I16: { bytes: 2, array: Int16Array },
  U16: { bytes: 2, array: Uint16Array },
  U8: { bytes: 1, array: Uint8Array },
  I8: { bytes: 1, array: Int8Array },
  BOOL: { bytes: 1, array: Uint8Array },
} as const;
export type Dtype = keyof typeof DTYPES;
export type TensorData =
  | Float64Array
  | BigInt64Array
  | BigUint64Array
  | Float32Array
  | Int32Array
  | Uint32Array
  | Int16Array
  | Uint16Array
  | Int8Array
  | Uint8Array;

export interface Tensor {
  name: string;
  dtype: Dtype;
  /** row-major */
  shape: number[];
  data: TensorData;
}

export class SafetensorsError extends Error {
  readonly code = 'invalid_safetensors';
  /** which tensor is wrong, where it is one of them */
  readonly tensor: string | null;
  constructor(message: string, tensor: string | null = null) {
    // what was cut short may end inside a character
    super((tensor === null ? message : `tensor ${JSON.stringify(tensor.slice(0, 200))}: ${message}`).toWellFormed());
    this.tensor = tensor;
  }
}
