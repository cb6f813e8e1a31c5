import { closest, distance } from 'fastest-levenshtein';

/** The nearest of `words`, if it is near enough to have been meant: at most a third of its letters differ. */
export function suggest(word: string, words: readonly string[]): string | null {
  if (words.length === 0 || word.length > 200) return null;
  const plain = (text: string) => text.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
  const same = words.find((candidate) => plain(candidate) === plain(word));
  if (same !== undefined) return same;
  const nearest = closest(word.toLowerCase(), words);
  return distance(word.toLowerCase(), nearest.toLowerCase()) <= Math.max(1, Math.floor(nearest.length / 3))
    ? nearest
    : null;
}

/** ` Did you mean …?`, or nothing. */
export function didYouMean(word: string, words: readonly string[]): string {
  const near = suggest(word, words);
  return near === null ? '' : ` Did you mean "${near}"?`;
}

/** A list that stays readable. */
export function listWords(words: readonly unknown[], most = 12): string {
  const shown = words.slice(0, most).map((word) => (typeof word === 'string' ? word : JSON.stringify(word)));
  return words.length > most ? `${shown.join(', ')}, … (${words.length} in all)` : shown.join(', ');
}
