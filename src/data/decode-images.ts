import sharp, { type Metadata } from 'sharp';
import { readPart } from '../spec/resolve-split.ts';
import { fail, MistakeList } from './dataset-error.ts';
import { type ArchiveFile, listFiles, show } from './read-archive.ts';
import type { ByteSource } from './row-handler.ts';

/** Images of an archive, one folder a class, as rows of bytes of one shape. */

export interface ImageOptions {
  /** height and width; undefined: the most common size, at most 256 × 256 */
  size?: [height: number, width: number] | undefined;
  /** undefined: 1 where all are grey, else 3 */
  channels?: 1 | 3 | undefined;
}

export interface ImageList {
  shape: [height: number, width: number, channels: number];
  /** the folder of each image; null where they do not lie in at least two */
  labels: string[] | null;
  /** `train`, `validation` or `test` where the folder of classes is called so for every image; null where it is not */
  parts: string[] | null;
  rows: number;
}

const EXPECTED = 'PNG, JPEG or WebP, in a folder for each class; a table is sent by itself, and a spreadsheet as CSV';
const LARGEST_SIDE = 256;
const MOST_PIXELS = 2 ** 26;
const FORMATS = ['png', 'jpeg', 'webp'];
const LONGEST_LABEL = 256;
// the thread that decodes is one of two already
sharp.concurrency(1);
sharp.cache(false);

/** Looks at every image's header. Throws DatasetError invalid_archive, decompression_limit, and those of listFiles. */
export async function listImages(source: ByteSource, kind: 'zip' | 'tar', options: ImageOptions): Promise<ImageList> {
  const sizes = new Map<string, number>();
  const labels: string[] = [];
  const parts: (string | null)[] = [];
  const mistakes = new MistakeList('invalid_archive');
  let isGrey = true;
  for await (const file of listFiles(source, kind)) {
    const found = await readMetadata(await file.read());
    if (found === null) {
      mistakes.add(null, null, `${show(file.path)} is not an image that can be read`, EXPECTED);
      continue;
    }
    checkPixels(file, found);
    // an image that was taken upright may be stored on its side
    const { width, height } = found.autoOrient;
    const size = `${height}x${width}`;
    sizes.set(size, (sizes.get(size) ?? 0) + 1);
    isGrey &&= found.channels <= 2 && found.space !== 'cmyk';
    parts.push(readPart(file.path.split('/').at(-3) ?? ''));
    labels.push(file.path.split('/').at(-2)?.slice(0, LONGEST_LABEL) ?? '');
  }
  mistakes.throwIfAny();
  if (labels.length === 0)
    fail('invalid_archive', { line: null }, 'there is no image in the archive', 'images in a folder for each class');
  const [height, width] = options.size ?? findCommonSize(sizes);
  const hasClasses = labels.some((label) => label !== labels[0]);
  if (hasClasses && labels.includes(''))
    fail('invalid_labels', { line: null }, 'some images lie in no folder', 'each image in the folder of its class');
  return {
    shape: [height, width, options.channels ?? (isGrey ? 1 : 3)],
    labels: hasClasses ? labels : null,
    parts: hasClasses && new Set(parts).size > 1 && !parts.includes(null) ? (parts as string[]) : null,
    rows: labels.length,
  };
}

/** The pixels of each image in the shape of the list: turned upright, on black where they are transparent, stretched to the size. */
export async function* decodeImages(
  source: ByteSource,
  kind: 'zip' | 'tar',
  { shape }: ImageList,
): AsyncGenerator<Uint8Array> {
  const [height, width, channels] = shape;
  for await (const file of listFiles(source, kind)) {
    const image = sharp(await file.read(), { limitInputPixels: MOST_PIXELS, failOn: 'truncated' })
      .autoOrient()
      .flatten({ background: '#000' })
      .resize({ width, height, fit: 'fill' })
      .toColourspace(channels === 1 ? 'b-w' : 'srgb');
    const pixels = await image
      .raw({ depth: 'uchar' })
      .toBuffer()
      .catch((error: Error) => {
        fail(
          'invalid_archive',
          { line: null },
          `${show(file.path)} cannot be decoded: ${error.message.slice(0, 100)}`,
          'whole images',
        );
      });
    if (pixels.length !== height * width * channels)
      fail(
        'invalid_archive',
        { line: null },
        `${show(file.path)} has other channels than it says`,
        'PNG, JPEG or WebP',
      );
    yield pixels;
  }
}

async function readMetadata(bytes: Buffer): Promise<Metadata | null> {
  try {
    const found = await sharp(bytes, { limitInputPixels: false }).metadata();
    return FORMATS.includes(found.format) ? found : null;
  } catch {
    return null;
  }
}

function checkPixels({ path }: ArchiveFile, { width, height }: Metadata): void {
  if (width * height > MOST_PIXELS)
    fail(
      'decompression_limit',
      { line: null },
      `${show(path)} has ${width} × ${height} pixels`,
      `images of at most ${MOST_PIXELS} pixels`,
    );
}

/** The size that most have, the smaller of two; shrunk where a side is too long. */
function findCommonSize(sizes: ReadonlyMap<string, number>): [number, number] {
  const [[common]] = [...sizes].sort(([a, first], [b, second]) => second - first || area(a) - area(b)) as [
    [string, number],
  ];
  const [height, width] = common.split('x').map(Number) as [number, number];
  const scale = Math.min(1, LARGEST_SIDE / Math.max(height, width));
  return [Math.max(1, Math.round(height * scale)), Math.max(1, Math.round(width * scale))];
}

function area(size: string): number {
  const [height, width] = size.split('x').map(Number) as [number, number];
  return height * width;
}
