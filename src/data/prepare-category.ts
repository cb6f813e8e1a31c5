import type { PreparedCategory, PreparedHash, PreparedLookup } from '../spec/preparation.ts';
import { murmurHash } from './murmur-hash.ts';

/** A class as a network sees it: tables and rows are prepared by these same functions, so that both give the same bits. */

export type PreparedClass = PreparedCategory | PreparedLookup | PreparedHash;

/** Numbers it takes, without the indicator. */
export function widthOfClass(input: PreparedClass): number {
  if (input.type === 'lookup') return input.missing.length;
  if (input.encoding === 'index') return 1;
  if (input.type === 'hash') return input.buckets;
  return input.classes.length + (input.other === true ? 1 : 0);
}

/** Where a class stands; −1 where it is missing, or none that is known. */
export function openPlaces(input: PreparedClass): (name: string | null) => number {
  if (input.type === 'hash') {
    const { buckets } = input;
    return (name) => (name === null ? -1 : murmurHash(name) % buckets);
  }
  const places = new Map(input.classes.map((name, place) => [name, place]));
  const strange = input.type === 'category' && input.other === true ? input.classes.length : -1;
  const missing = input.fill === undefined ? -1 : (places.get(input.fill) ?? strange);
  return (name) => (name === null ? missing : (places.get(name) ?? strange));
}

/** Writes the numbers of a class that stands at `place`, from y[at] on; they are 0 before. */
export function openPlaceWriter(
  input: PreparedClass,
): (y: { [at: number]: number }, at: number, place: number, isMissing: boolean) => void {
  const width = widthOfClass(input);
  const flag = input.indicator === true;
  const vectors = input.type === 'lookup' ? input : null;
  const isIndex = input.type !== 'lookup' && input.encoding === 'index';
  return (y, at, place, isMissing) => {
    if (vectors !== null) {
      const vector = place === -1 ? vectors.missing : vectors.values[place]!;
      for (let i = 0; i < width; i++) y[at + i] = vector[i]!;
    } else if (isIndex) y[at] = 1 + place;
    else {
      for (let i = 0; i < width; i++) y[at + i] = 0;
      if (place !== -1) y[at + place] = 1;
    }
    if (flag) y[at + width] = isMissing ? 1 : 0;
  };
}
