import { Readable } from 'node:stream';
import { type Entry, fromRandomAccessReaderPromise, RandomAccessReader, type ZipFile } from 'yauzl';
import { fail, isOutside } from './dataset-error.ts';
import type { ByteSource } from './row-handler.ts';

const PIECE_BYTES = 2 ** 18;

/** A zip archive over the stored bytes; its names have been looked at, none leads out of it. Errors become DatasetErrors by `explainZipErrors`. */
export function openZip(source: ByteSource): Promise<ZipFile> {
  return fromRandomAccessReaderPromise(new SourceReader(source), source.sizeBytes, { autoClose: false });
}

class SourceReader extends RandomAccessReader {
  readonly #source: ByteSource;
  constructor(source: ByteSource) {
    super();
    this.#source = source;
  }

  override _readStreamForRange(start: number, end: number): Readable {
    return Readable.from(readRange(this.#source, start, end), { objectMode: false });
  }
}

async function* readRange(source: ByteSource, start: number, end: number): AsyncGenerator<Uint8Array> {
  for (let at = start; at < end; at += PIECE_BYTES) yield await source.slice(at, Math.min(end, at + PIECE_BYTES));
}

const OF_SYSTEMS = /(^|\/)(\.[^/]*|__MACOSX|Thumbs\.db|desktop\.ini)(\/|$)/i;
const OF_AUTHORS = /(^|\/)(readme|licen[cs]e|copying|citation)(\.(txt|md|rst|html|cff))?$/i;

/** An entry that is a folder, a note of the system that packed it, or one of its authors to its readers. */
export function isPassedOver(path: string): boolean {
  return path.endsWith('/') || OF_SYSTEMS.test(path) || OF_AUTHORS.test(path);
}

/** By the permissions that Unix keeps. */
export function isLink({ externalFileAttributes }: Entry): boolean {
  return ((externalFileAttributes >>> 16) & 0o170000) === 0o120000;
}

/** Runs what reads an archive; errors of the library become DatasetErrors. */
export async function explainZipErrors<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (isOutside(error)) throw error;
    const { message } = error as Error;
    if (/^(absolute path|invalid relative path|invalid characters in fileName)/.test(message))
      fail('unsafe_archive', { line: null }, message.slice(0, 200), 'names that lie inside the archive');
    if (/too many bytes in the stream|not enough bytes in the stream/.test(message))
      fail('decompression_limit', { line: null }, `an entry has not the size it says: ${message}`, 'a sound archive');
    return fail(
      'invalid_archive',
      { line: null },
      `the archive cannot be read: ${message.slice(0, 200).replace(/\.$/, '')}`,
      'a whole zip or tar archive',
    );
  }
}
