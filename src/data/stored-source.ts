import type { DatasetFile } from '../spec/dataset.ts';
import type { Storage } from '../storage/storage.ts';
import type { ByteSource } from './row-handler.ts';

/** The bytes of a file in storage, freed as soon as the next are asked for. */
export function openStored(file: DatasetFile, storage: Storage): ByteSource {
  return {
    sizeBytes: file.sizeBytes,
    async *stream() {
      for await (const piece of (await storage.read(file.key)) as AsyncIterable<Uint8Array>) {
        yield piece;
        freeBytes(piece);
      }
    },
    async slice(start, end) {
      if (start >= end) return new Uint8Array(0);
      const bytes = new Uint8Array(end - start);
      let at = 0;
      const stream = await storage.read(file.key, { start, end: end - 1 });
      for await (const piece of stream as AsyncIterable<Uint8Array>) {
        bytes.set(piece, at);
        at += piece.length;
        freeBytes(piece);
      }
      return bytes.subarray(0, at);
    },
  };
}

/** Gives a piece's memory back at once: the collector lets some 60 MB of such pieces gather before it looks. */
function freeBytes({ buffer, byteLength }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0);
}
