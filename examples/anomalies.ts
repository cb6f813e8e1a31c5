import type { Job } from '../src/spec/job.ts';
import { say } from './client.ts';
import { type Part, PIXELS, readDigits } from './mnist.ts';
import { areaUnderRoc, predict, type Row, uploadRows } from './rows.ts';

/**
 * An autoencoder learns to tell images from themselves through a narrow layer. It has only seen digits other than 0: how badly it tells an image
 * says how unlike them it is. Images are MNIST's, 7 × 7 pixels, each the mean of 4 × 4.
 */

const SIDE = 7;
const STRANGE = 0;
const TRAIN = 12_000;
const TEST = 3_000;

function readSmallDigits(part: Part, count: number): { digit: number; pixels: number[] }[] {
  const { images, labels } = readDigits(part);
  return Array.from({ length: count }, (_, i) => {
    const pixels = Array.from({ length: SIDE * SIDE }, (_, at) => {
      const corner = i * PIXELS + Math.floor(at / SIDE) * 4 * 28 + (at % SIDE) * 4;
      let sum = 0;
      for (let y = 0; y < 4; y++) for (let x = 0; x < 4; x++) sum += images[corner + y * 28 + x]!;
      return Number((sum / 16 / 255).toFixed(4));
    });
    return { digit: labels[i]!, pixels };
  });
}

const rowOf = (pixels: readonly number[]): Row => Object.fromEntries(pixels.map((value, i) => [`x${i}`, value]));

export function uploadOrdinaryDigits(api: string): Promise<string> {
  const rows = readSmallDigits('train', TRAIN)
    .filter(({ digit }) => digit !== STRANGE)
    .map(({ pixels }) => rowOf(pixels));
  say(`Uploading ${rows.length.toLocaleString('en-US')} digits other than ${STRANGE} to ${api}/datasets …`);
  return uploadRows(api, 'digits-but-0', rows);
}

export async function showAnomalies(api: string, { id }: Job): Promise<void> {
  const test = readSmallDigits('t10k', TEST);
  const answers = await predict<Record<string, number>>(
    ...([api, id] as const),
    test.map(({ pixels }) => rowOf(pixels)),
  );
  const errors = answers.map((answer, n) =>
    test[n]!.pixels.reduce((sum, value, i) => sum + (answer[`x${i}`]! - value) ** 2, 0),
  );
  const isStrange = test.map(({ digit }) => digit === STRANGE);
  const meanOf = (wanted: boolean) => {
    const some = errors.filter((_, i) => isStrange[i] === wanted);
    return some.reduce((sum, error) => sum + error, 0) / some.length;
  };
  say(
    `\n${test.length} images that the network never saw: squared error ${meanOf(false).toFixed(3)} of digits it knows, ` +
      `${meanOf(true).toFixed(3)} of ${STRANGE}; area under the ROC curve ${areaUnderRoc(errors, isStrange).toFixed(3)}.`,
  );
}
