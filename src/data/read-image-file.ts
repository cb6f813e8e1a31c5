import { RowsError } from '../spec/prediction.ts';
import type { Preparation } from '../spec/preparation.ts';

/** Larger ones are not even decoded: a small file may hold a very large image. */
const MOST_PIXELS = 50_000_000;

/** One image file as a row of a network whose input is one image: scaled to the network's size, in its colours. Throws RowsError. */
export async function readImageFile(bytes: Uint8Array, preparation: Preparation): Promise<Record<string, unknown>> {
  const [input, ...more] = preparation.inputs;
  if (input?.type !== 'image' || more.length > 0) throw refuse('the network has other inputs than one image', 'rows');
  const [height, width, channels = 1] = input.shape as [number, number, number?];
  // an addon of some 20 MB: only where an image comes
  const { default: sharp } = await import('sharp');
  try {
    const image = sharp(bytes, { limitInputPixels: MOST_PIXELS, failOn: 'error' })
      .autoOrient()
      .flatten({ background: '#000' })
      .resize(width, height, { fit: 'fill' })
      .toColourspace(channels === 1 ? 'b-w' : 'srgb');
    const pixels = await image.raw().toBuffer();
    if (pixels.length !== height * width * channels) throw new Error(`it has not ${channels} channels`);
    return { [input.column]: pixels.toString('base64') };
  } catch (error) {
    throw refuse(
      `the image cannot be read: ${(error as Error).message.slice(0, 200).toWellFormed()}`,
      'a whole PNG, JPEG or WebP file of at most 50 million pixels',
    );
  }
}

function refuse(detail: string, expected: string): RowsError {
  return new RowsError([{ pointer: '', code: 'invalid_image', detail, expected }]);
}
