import type { Profile } from '../spec/dataset.ts';

/** The first rows of a dataset, as they are shown. */

export type PreviewRow = Record<string, unknown>;

export interface DatasetProfile {
  profile: Profile;
  /** The first rows, at most 20 and 1 MB; long texts are shortened, and an image is its shape. */
  preview: PreviewRow[];
}

export const PREVIEW_ROWS = 20;
const PREVIEW_BYTES = 2 ** 20;
const PREVIEW_TEXT = 256;

/** At most 256 characters, in memory of its own: a field is a piece of the block it was read from. */
export function shorten(text: string): string {
  return Buffer.from(
    text.length > PREVIEW_TEXT ? `${text.slice(0, PREVIEW_TEXT - 1).toWellFormed()}…` : text,
  ).toString();
}

export function limitPreview(rows: PreviewRow[]): PreviewRow[] {
  let bytes = 0;
  return rows.filter((row, i) => {
    bytes += JSON.stringify(row).length;
    return i === 0 || bytes <= PREVIEW_BYTES;
  });
}
