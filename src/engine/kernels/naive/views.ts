import type { Pointer } from '../abi.ts';

/** The job's memory as typed arrays; one element per index. */
export interface Views {
  f32: Float32Array;
  i32: Int32Array;
  u32: Uint32Array;
  u8: Uint8Array;
}

export function createViews(memory: WebAssembly.Memory): Views {
  const { buffer } = memory;
  return {
    f32: new Float32Array(buffer),
    i32: new Int32Array(buffer),
    u32: new Uint32Array(buffer),
    u8: new Uint8Array(buffer),
  };
}

/** Element index of a byte pointer to 4-byte elements; a pointer above 2 GiB may come as a negative i32. */
export function at(pointer: Pointer): number {
  return pointer >>> 2;
}
