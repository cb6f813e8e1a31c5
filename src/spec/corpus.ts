/** What is fixed of a corpus of text. Apart from the schemas: the thread that reads a file starts in half the time without the library behind those. */

/** The only column of a corpus. */
export const TEXT_COLUMN = 'text';

/** More distinct characters than these are counted, and not listed. */
export const MOST_CHARACTERS = 20_000;
