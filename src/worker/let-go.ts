/**
 * Gives the memory of arrays back at once; they are empty then, and so is every other view of the same memory. The collector would do it some time, but
 * comes by when something is allocated, and a thread that trains allocates next to nothing: a dataset's table would stay beside its prepared rows to the
 * job's end.
 */
export function letGo(arrays: Iterable<ArrayBufferView>): void {
  for (const array of arrays)
    if (array.buffer instanceof ArrayBuffer && !array.buffer.detached) array.buffer.transfer(0);
}

/** bytes */
export function sizeOf(arrays: Iterable<ArrayBufferView>): number {
  let bytes = 0;
  for (const { byteLength } of arrays) bytes += byteLength;
  return bytes;
}
