/**
 * Numbers of a safetensors file in 32 bits; null for what is no floating-point number. `bytes` begin where the memory under them does.
 */
export function toFloats(dtype: string, bytes: Uint8Array): Float32Array | null {
  const { buffer, byteOffset, byteLength } = bytes;
  switch (dtype) {
    case 'F32':
      return new Float32Array(buffer as ArrayBuffer, byteOffset, byteLength / 4);
    case 'F64':
      return Float32Array.from(new Float64Array(buffer, byteOffset, byteLength / 8));
    case 'F16':
      return Float32Array.from(new Float16Array(buffer, byteOffset, byteLength / 2));
    case 'BF16': {
      // the upper half of 32 bits
      const halves = new Uint16Array(buffer, byteOffset, byteLength / 2);
      const bits = Uint32Array.from(halves, (half) => half << 16);
      return new Float32Array(bits.buffer);
    }
    default:
      return null;
  }
}
