import { pipeline, Readable, type Transform } from 'node:stream';
import { constants, createGunzip, createInflate, createZstdDecompress } from 'node:zlib';
import { DatasetError, fail } from './dataset-error.ts';
import { joinStart } from './split-records.ts';

/** Codings of Content-Encoding that are undone here. */
export const CONTENT_ENCODINGS = ['gzip', 'x-gzip', 'deflate', 'zstd'];

const HIGHEST_RATIO = 100;
/** Smaller files may be packed as densely as they like. */
const RATIO_FROM_BYTES = 2 ** 24;
/** Of zstd's window, which it keeps in memory: 8 MiB, as RFC 9659 has it; by itself zstd would take 128 MiB for each file that comes. */
const ZSTD_WINDOW_LOG = 23;

/**
 * The bytes as they were before gzip or zstd, whether a request says so (`encoding`) or the file itself; others pass. zlib works on libuv's threads.
 * Throws DatasetError decompression_limit for what unpacks to more than 100 times its size, is packed twice, or needs more than a window of 8 MiB; invalid_encoding for what is cut short.
 */
export async function* decompress(source: AsyncIterable<Uint8Array>, encoding?: string): AsyncGenerator<Uint8Array> {
  const coded = encoding === undefined || encoding === 'identity' ? source : unpack(source, makeDecoder(encoding));
  yield* unpackFile(coded, false);
}

/** A file that is compressed itself, as `.csv.gz`. */
async function* unpackFile(source: AsyncIterable<Uint8Array>, isInner: boolean): AsyncGenerator<Uint8Array> {
  const pieces = joinStart(source);
  const { value: start, done } = await pieces.next();
  if (done) return;
  async function* whole() {
    yield start as Uint8Array;
    yield* pieces;
  }
  const kind = findCompression(start as Buffer);
  if (kind === null) {
    yield* whole();
    return;
  }
  if (isInner)
    fail('decompression_limit', { line: null }, 'the file is compressed twice', 'a file that is compressed once');
  yield* unpackFile(unpack(whole(), makeDecoder(kind)), true);
}

function findCompression(start: Buffer): 'gzip' | 'zstd' | null {
  if (start[0] === 0x1f && start[1] === 0x8b) return 'gzip';
  return start.length >= 4 && start.readUInt32LE(0) === 0xfd2fb528 ? 'zstd' : null;
}

function makeDecoder(encoding: string): Transform {
  if (encoding === 'zstd')
    return createZstdDecompress({ params: { [constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG } });
  return encoding === 'deflate' ? createInflate() : createGunzip();
}

async function* unpack(source: AsyncIterable<Uint8Array>, decoder: Transform): AsyncGenerator<Uint8Array> {
  let packed = 0;
  let unpacked = 0;
  let failure: Error | null = null;
  async function* count() {
    try {
      for await (const piece of source) {
        packed += piece.length;
        yield piece;
      }
    } catch (error) {
      failure = error as Error;
      throw error;
    }
  }
  // a failure is told by the loop below
  pipeline(Readable.from(count(), { objectMode: false }), decoder, () => {});
  try {
    for await (const piece of decoder) {
      unpacked += piece.length;
      if (unpacked > RATIO_FROM_BYTES && unpacked > HIGHEST_RATIO * packed)
        fail(
          'decompression_limit',
          { line: null },
          'the file unpacks to more than 100 times its size',
          'a file that is packed less densely',
        );
      yield piece;
    }
  } catch (error) {
    if (failure !== null) throw failure;
    if (error instanceof DatasetError || !(error instanceof Error)) throw error;
    if ((error as NodeJS.ErrnoException).code === 'ZSTD_error_frameParameter_windowTooLarge')
      fail(
        'decompression_limit',
        { line: null },
        `to unpack the file takes a window of more than ${2 ** (ZSTD_WINDOW_LOG - 20)} MiB`,
        'a file that is packed without --ultra and --long',
      );
    if (!/^(Z_|ZSTD_|ERR_ZSTD|ERR_STREAM_PREMATURE)/.test(String((error as NodeJS.ErrnoException).code))) throw error;
    fail(
      'invalid_encoding',
      { line: null },
      `the file cannot be decompressed: ${error.message}`,
      'the whole compressed file',
    );
  }
}
