import fc from 'fast-check';
import { zipSync } from 'fflate';
import sharp from 'sharp';
import { pack } from 'tar-stream';
import { DatasetError } from '../../src/data/dataset-error.ts';
import { decodeImages, listImages } from '../../src/data/decode-images.ts';
import { decompress } from '../../src/data/decompress.ts';
import { identifyFile, NO_HINT } from '../../src/data/identify-file.ts';
import { profileRows } from '../../src/data/profile-rows.ts';
import type { RowFormat } from '../../src/data/read-file.ts';
import { sourceOf } from '../data/sources.ts';
import { bytesOf, writeNpy, writeNpz, writeTable } from '../data/write-formats.ts';
import { mutated } from './mutate.ts';
import { type AnyTarget, insist, showBytes, type Target } from './target.ts';

/** Files that are told by their first bytes: each is read or refused with a code, whatever has become of it on its way. */

const row = fc.record({
  n: fc.option(fc.double({ noNaN: true, noDefaultInfinity: true })),
  t: fc.option(fc.string({ unit: 'grapheme', maxLength: 8 }).map((text) => text.replaceAll(/[\0",\n\r\t]/g, '_'))),
  b: fc.boolean(),
});
/** Written once: what matters is what becomes of them. */
const TABLES = fc.sample(fc.array(row, { minLength: 1, maxLength: 20 }), { numRuns: 4, seed: 1 }).map(writeTable);
const tables = fc.constantFrom(...TABLES);

async function readFile(bytes: Buffer): Promise<string> {
  try {
    const unpacked: Uint8Array[] = [];
    for await (const piece of decompress(sourceOf(bytes, [1000]).stream())) unpacked.push(piece);
    const source = sourceOf(Buffer.concat(unpacked), [1000]);
    const { format, archive, dialect } = await identifyFile(source, NO_HINT);
    if (archive !== null && format === 'images') {
      const list = await listImages(source, archive, { size: [4, 4] });
      let images = 0;
      for await (const pixels of decodeImages(source, archive, list)) images += pixels.length / (16 * list.shape[2]);
      insist(images === list.rows, `${images} images, and ${list.rows} were listed`);
    } else if (format !== 'text') await profileRows(format as RowFormat, source, dialect);
    return `read ${format}`;
  } catch (error) {
    if (!(error instanceof DatasetError)) throw error;
    for (const { detail, expected } of error.mistakes)
      insist(detail.isWellFormed() && detail !== '' && expected !== '', `what it says: ${JSON.stringify(detail)}`);
    return error.code;
  }
}

const targetOf = (name: string, valid: fc.Arbitrary<Uint8Array>): Target<Buffer> => ({
  name,
  inputs: mutated(valid),
  play: readFile,
  show: showBytes,
});

const arrays = fc
  .record({
    rows: fc.integer({ min: 1, max: 4 }),
    width: fc.integer({ min: 1, max: 3 }),
    values: fc.float64Array({ minLength: 12, maxLength: 12 }),
  })
  .map(({ rows, width, values }) => ({
    x: writeNpy('<f8', [rows, width], bytesOf(values).subarray(0, 8 * rows * width)),
    y: writeNpy('|u1', [rows], bytesOf(values).subarray(0, rows)),
  }));

const IMAGES = Object.fromEntries(
  await Promise.all(
    (['png', 'jpeg', 'webp'] as const).map(async (kind, i) => {
      const image = sharp({ create: { width: 3, height: 2, channels: 3, background: { r: 80 * i, g: 9, b: 99 } } });
      return [`photos/${i % 2 === 0 ? 'a' : 'b'}/${i}.${kind}`, await image.toFormat(kind).toBuffer()] as const;
    }),
  ),
);

async function packTar(): Promise<Buffer> {
  const archive = pack();
  for (const [name, bytes] of Object.entries(IMAGES)) archive.entry({ name }, bytes);
  archive.finalize();
  const pieces: Uint8Array[] = [];
  for await (const piece of archive) pieces.push(piece as Uint8Array);
  return Buffer.concat(pieces);
}
const TAR = await packTar();

export const FORMATS: AnyTarget[] = [
  targetOf(
    'dialects',
    tables.map(({ tsv }) => tsv!),
  ),
  targetOf(
    'json',
    tables.map(({ json }) => json!),
  ),
  // not Parquet and not Arrow: over some damaged files their readers never end, or take all memory, which only the thread's limits stop
  targetOf(
    'npy',
    arrays.map(({ x }) => x),
  ),
  targetOf('npz', arrays.map(writeNpz)),
  targetOf(
    'zip',
    fc.constantFrom(0, 6).map((level) => zipSync(IMAGES, { level: level as 0 | 6 })),
  ),
  targetOf('tar', fc.constant(TAR)),
] as AnyTarget[];
