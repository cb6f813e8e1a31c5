import type { DatasetFile } from '../spec/dataset.ts';
import type { Storage } from '../storage/storage.ts';
import type { ByteSource } from './row-handler.ts';

/** The bytes of a file in storage. */
export function openStored(file: DatasetFile, storage: Storage): ByteSource {
  return {
    sizeBytes: file.sizeBytes,
    async *stream() {
      yield* (await storage.read(file.key)) as AsyncIterable<Uint8Array>;
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

/** For readers that look at no piece after they have asked for the next. */
export async function* freeAfterUse(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const piece of source) {
    yield piece;
    freeBytes(piece);
  }
}

/** Gives a piece's memory back at once: the collector lets some 60 MB of such pieces gather before it looks. */
function freeBytes({ buffer, byteLength }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0);
}
