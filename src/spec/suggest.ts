import { distance } from 'fastest-levenshtein';

/** Names that are longer are no slips of the hand; and comparing them takes time. */
const LONGEST = 64;
/** So many names are compared; a dataset may have 10,000 columns. */
const MOST_COMPARED = 2000;

/** The nearest of `words`, if it is near enough to have been meant: at most a third of its letters differ. */
export function suggest(word: string, words: readonly string[]): string | null {
  if (word.length > LONGEST) return null;
  const plain = (text: string) => text.toLowerCase().replaceAll(/[^\p{L}\p{N}]/gu, '');
  const compared = words.slice(0, MOST_COMPARED);
  const bare = plain(word);
  const same = bare === '' ? undefined : compared.find((candidate) => plain(candidate) === bare);
  if (same !== undefined) return same;
  const lower = word.toLowerCase();
  const meant = compared.find((candidate) => abbreviates(lower, candidate.toLowerCase()));
  if (meant !== undefined) return meant;
  let nearest: string | null = null;
  let least = Number.POSITIVE_INFINITY;
  for (const candidate of compared) {
    const most = Math.max(1, Math.floor(candidate.length / 3));
    // so many letters at least have to come or go
    if (candidate.length > LONGEST || Math.abs(candidate.length - word.length) > most) continue;
    const letters = distance(lower, candidate.toLowerCase());
    if (letters > most || letters >= least || letters >= word.length) continue;
    nearest = candidate;
    least = letters;
  }
  return nearest;
}

/** Letters that changed places (`rleu`), the first letters of words (`lr`), or whole words of a longer name (`kernel`, `accuracy`). */
function abbreviates(word: string, candidate: string): boolean {
  if (word.length < 2 || candidate.length > LONGEST) return false;
  if (word.length >= 4 && word.length === candidate.length && word[0] === candidate[0])
    return [...word].sort().join('') === [...candidate].sort().join('');
  const parts = candidate.split(/[._]/);
  if (parts.length < 2) return false;
  const isWhole = candidate.startsWith(`${word}_`) || candidate.endsWith(`.${word}`) || candidate.endsWith(`_${word}`);
  return isWhole || parts.map((part) => part[0]).join('') === word;
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
