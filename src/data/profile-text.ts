import { MOST_CHARACTERS, TEXT_COLUMN } from '../spec/corpus.ts';
import type { Column, Profile, TextProfile } from '../spec/dataset.ts';
import { readText } from './read-text.ts';

const PREVIEW_LINES = 20;
const PREVIEW_TEXT = 256;
const CODE_POINTS = 0x110000;

/**
 * Reads a corpus from end to end, once: its characters, how often each occurs and where it does first, its lines. Memory is 18 MB whatever the
 * size. Throws DatasetError.
 */
export async function profileText(
  source: AsyncIterable<Uint8Array>,
): Promise<{ profile: Profile; preview: { text: string }[] }> {
  const counts = new Float64Array(CODE_POINTS);
  const firsts = new Float64Array(CODE_POINTS);
  let characters = 0;
  let last = '';
  const preview = new LinePreview();
  for await (const text of readText(source)) {
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      const code = unit >= 0xd800 && unit < 0xdc00 ? text.codePointAt(i++)! : unit;
      if (counts[code]!++ === 0) firsts[code] = characters;
      characters++;
    }
    preview.add(text);
    last = text.at(-1) ?? last;
  }

  const lines = counts[0x0a]! + (last === '\n' ? 0 : 1);
  const column: Column = {
    name: TEXT_COLUMN,
    type: 'text',
    missing: 0,
    distinct: null,
    minimum: null,
    maximum: null,
    mean: null,
    standard_deviation: null,
    integer: false,
    classes: null,
    shape: null,
    text: { characters, lines, ...describeCharacters(counts, firsts) },
  };
  return { profile: { rows: lines, columns: [column] }, preview: preview.rows };
}

function describeCharacters(
  counts: Float64Array,
  firsts: Float64Array,
): Pick<TextProfile, 'bytes' | 'distinct_characters' | 'vocabulary'> {
  const vocabulary: NonNullable<TextProfile['vocabulary']> = [];
  let distinct = 0;
  let bytes = 0;
  for (let code = 0; code < CODE_POINTS; code++) {
    const count = counts[code]!;
    if (count === 0) continue;
    bytes += count * (code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4);
    distinct++;
    if (distinct <= MOST_CHARACTERS)
      vocabulary.push({ character: String.fromCodePoint(code), count, first: firsts[code]! });
  }
  return { bytes, distinct_characters: distinct, vocabulary: distinct > MOST_CHARACTERS ? null : vocabulary };
}

/** The first lines, shortened. */
class LinePreview {
  #line = '';
  readonly #rows: { text: string }[] = [];

  add(text: string): void {
    if (this.#rows.length >= PREVIEW_LINES) return;
    const lines = text.split('\n', PREVIEW_LINES + 1);
    lines.forEach((part, i) => {
      if (i > 0) this.#end();
      // copied, for what is shown must not keep the piece it was read from
      if (this.#line.length <= PREVIEW_TEXT) this.#line += Buffer.from(part.slice(0, PREVIEW_TEXT + 1)).toString();
    });
  }

  get rows(): { text: string }[] {
    if (this.#line !== '') this.#end();
    return this.#rows;
  }

  #end(): void {
    const line = this.#line;
    if (this.#rows.length < PREVIEW_LINES)
      this.#rows.push({
        text: line.length > PREVIEW_TEXT ? `${line.slice(0, PREVIEW_TEXT - 1).toWellFormed()}…` : line,
      });
    this.#line = '';
  }
}
