import type { DatasetFile } from '../spec/dataset.ts';
import { decodeImages, type ImageOptions, listImages } from './decode-images.ts';
import { explainZipErrors, openZip } from './open-zip.ts';
import { makeHeader } from './read-idx.ts';
import { failNpy, NpyReader } from './read-npy.ts';
import { readNpy, readNpz } from './read-npz.ts';
import type { ByteSource } from './row-handler.ts';
import { RowWriter } from './write-rows.ts';

/** Images become bytes of one shape (IDX) when they arrive, so that loading them for training is reading. */

export interface ConvertRequest {
  source: ByteSource;
  /** puts a file of the dataset; refuses one that is too large */
  put(role: DatasetFile['role'], source: AsyncIterable<Uint8Array>): Promise<DatasetFile>;
}

/** Files `images` and, where there are classes, `rows` with their `label`, and `split` where folders tell it. Throws DatasetError. */
export async function convertArchive(
  { source, put }: ConvertRequest,
  kind: 'zip' | 'tar',
  options: ImageOptions,
): Promise<DatasetFile[]> {
  const list = await listImages(source, kind, options);
  async function* idx() {
    yield makeHeader(list.rows, list.shape);
    yield* decodeImages(source, kind, list);
  }
  const images = await put('images', idx());
  const { labels, parts } = list;
  if (labels === null) return [images];
  async function* rows() {
    for (let at = 0; at < labels!.length; at += 1000)
      yield Buffer.from(
        labels!
          .slice(at, at + 1000)
          .map((label, i) => `${JSON.stringify({ label, split: parts?.[at + i] })}\n`)
          .join(''),
      );
  }
  return [images, await put('rows', rows())];
}

/** An array of images and what stands beside it; null where no array is of images. Throws DatasetError. */
export async function convertArrays(
  { source, put }: ConvertRequest,
  format: 'npy' | 'npz',
): Promise<DatasetFile[] | null> {
  const found: { name: string; shape: number[] }[] = [];
  const columns: { name: string; type: 'text' }[] = [];
  const read = format === 'npy' ? readNpy : readNpz;
  const note = {
    onImages: (name: string, shape: number[]) => void found.push({ name, shape }),
    onColumn: (name: string) => void columns.push({ name, type: 'text' }),
    onField() {},
    onValue() {},
    onRowEnd() {},
  };
  const rows = await read(source, note);
  const [images] = found;
  if (images === undefined) return null;
  if (found.length > 1)
    failNpy(`${found.map(({ name }) => name).join(' and ')} both hold images`, 'one array of images');
  async function* idx() {
    yield makeHeader(rows, images!.shape);
    yield* readPixels(source, format, images!.name);
  }
  const files = [await put('images', idx())];
  if (columns.length === 0) return files;
  const writer = new RowWriter(columns);
  const reading = read(writer.throttle(source), writer).then(
    () => writer.end(),
    (error: Error) => writer.stream.destroy(error),
  );
  const [file] = await Promise.all([put('rows', writer.stream), reading]);
  return [...files, file];
}

async function* readPixels(source: ByteSource, format: 'npy' | 'npz', name: string): AsyncGenerator<Uint8Array> {
  const zip = format === 'npz' ? await openZip(source) : null;
  let stream: AsyncIterable<Uint8Array> = source.stream();
  if (zip !== null)
    for await (const entry of zip.eachEntry())
      if (entry.fileName === `${name}.npy`) stream = await explainZipErrors(() => zip.openReadStreamPromise(entry));
  const reader = new NpyReader(stream);
  try {
    await reader.readHeader(name);
    for (let row = await reader.readRow(); row !== null; row = await reader.readRow()) yield row;
  } finally {
    await reader.close();
  }
}
