import { Readable } from 'node:stream';
import { extract } from 'tar-stream';
import { fail, isOutside } from './dataset-error.ts';
import { explainZipErrors, isLink, isPassedOver, openZip } from './open-zip.ts';
import type { ByteSource } from './row-handler.ts';

/** Archives of files, zip or tar, of which nothing is ever unpacked to a disk. */

const MOST_FILES = 1_000_000;
const LARGEST_FILE_BYTES = 64 * 2 ** 20;
const HIGHEST_RATIO = 100;
/** Smaller files may be packed as densely as they like. */
const RATIO_FROM_BYTES = 2 ** 20;

export interface ArchiveFile {
  path: string;
  sizeBytes: number;
  read(): Promise<Buffer>;
}

/**
 * The files of an archive in their order; folders and notes of systems are passed over. A file must be read before the next is asked for.
 * Throws DatasetError invalid_archive, unsafe_archive (names that lead out of it, links), decompression_limit.
 */
export async function* listFiles(source: ByteSource, kind: 'zip' | 'tar'): AsyncGenerator<ArchiveFile> {
  let count = 0;
  for await (const file of kind === 'zip' ? listZip(source) : listTar(source)) {
    if (++count > MOST_FILES)
      fail('invalid_archive', { line: null }, `there are more than ${MOST_FILES} files`, 'several data sets');
    if (file.sizeBytes > LARGEST_FILE_BYTES)
      fail(
        'decompression_limit',
        { line: null },
        `${show(file.path)} has ${file.sizeBytes} bytes`,
        'files of at most 64 MiB',
      );
    yield file;
  }
}

async function* listZip(source: ByteSource): AsyncGenerator<ArchiveFile> {
  const zip = await explainZipErrors(() => openZip(source));
  const entries = zip.eachEntry()[Symbol.asyncIterator]();
  for (;;) {
    const { value: entry, done } = await explainZipErrors(() => entries.next());
    if (done) return;
    const path = withoutDot(entry.fileName);
    if (isLink(entry)) failLink(path);
    if (isPassedOver(path)) continue;
    const sizeBytes: number = entry.uncompressedSize;
    if (sizeBytes > RATIO_FROM_BYTES && sizeBytes > HIGHEST_RATIO * entry.compressedSize)
      fail(
        'decompression_limit',
        { line: null },
        `${show(path)} unpacks to more than 100 times its size`,
        'files that are packed less densely',
      );
    const read = () => explainZipErrors(async () => gather(await zip.openReadStreamPromise(entry)));
    yield { path, sizeBytes, read };
  }
}

async function* listTar(source: ByteSource): AsyncGenerator<ArchiveFile> {
  const entries = extract();
  const input = Readable.from(source.stream(), { objectMode: false });
  input.once('error', (error) => entries.destroy(error));
  input.pipe(entries);
  try {
    for await (const entry of entries) {
      const { name, type, size } = entry.header;
      const path = withoutDot(name);
      if (type === 'symlink' || type === 'link') failLink(path);
      if (type === 'file' || type === 'contiguous-file') {
        if (path.startsWith('/') || /^[a-z]:/i.test(path) || path.split(/[/\\]/).includes('..'))
          fail('unsafe_archive', { line: null }, `${show(path)} leads out of the archive`, 'names that lie inside it');
        if (!isPassedOver(path))
          yield { path, sizeBytes: size ?? 0, read: () => gather(entry as AsyncIterable<Uint8Array>) };
      }
      entry.resume();
    }
  } catch (error) {
    if (isOutside(error)) throw error;
    fail(
      'invalid_archive',
      { line: null },
      `the archive cannot be read: ${(error as Error).message.slice(0, 200)}`,
      'a whole zip or tar archive',
    );
  } finally {
    input.destroy();
    entries.destroy();
  }
}

/** `tar -c .` writes ./ in front of every name. */
function withoutDot(path: string): string {
  return path.replace(/^(\.\/+)+/, '');
}

async function gather(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of stream) {
    size += piece.length;
    // an entry may be longer than it says
    if (size > LARGEST_FILE_BYTES)
      fail('decompression_limit', { line: null }, 'a file has more than 64 MiB', 'files of at most 64 MiB');
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

function failLink(path: string): never {
  fail('unsafe_archive', { line: null }, `${show(path)} is a link`, 'the files themselves');
}

export function show(path: string): string {
  return JSON.stringify(path.slice(-100).toWellFormed());
}
