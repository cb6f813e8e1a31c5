import { zipSync } from 'fflate';
import type { WeightTensor } from './tensors.ts';

/** Files in zip archives all bear this time, so that equal contents are equal bytes: the earliest that the format can say. */
export const ZIP_TIME = new Date(1980, 0, 1);

/** NumPy's archive of arrays, not compressed: np.load gives them by name. */
export function writeNpz(tensors: ReadonlyMap<string, WeightTensor>): Uint8Array {
  const files = [...tensors].map(([name, tensor]) => [`${name}.npy`, writeNpy(tensor)] as const);
  return zipSync(Object.fromEntries(files), { level: 0, mtime: ZIP_TIME });
}

/** NumPy's format of one array, version 1.0 (numpy.org/doc/stable/reference/generated/numpy.lib.format.html). */
export function writeNpy({ shape, data }: WeightTensor): Uint8Array {
  const dims = `(${shape.join(', ')}${shape.length === 1 ? ',' : ''})`;
  const text = `{'descr': '<f4', 'fortran_order': False, 'shape': ${dims}, }`;
  // the data begin at a multiple of 64, behind 10 bytes and the header, which ends a line
  const length = Math.ceil((10 + text.length + 1) / 64) * 64 - 10;
  const y = Buffer.alloc(10 + length + data.byteLength, ' ');
  y.write('\x93NUMPY\x01\x00', 'latin1');
  y.writeUInt16LE(length, 8);
  y.write(text, 10, 'latin1');
  y[10 + length - 1] = 0x0a;
  y.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), 10 + length);
  return y;
}
