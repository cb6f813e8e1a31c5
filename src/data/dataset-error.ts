import { BlobNotFoundError, StorageFailedError, StorageFullError } from '../storage/storage.ts';

/** What can be wrong with the bytes of a dataset. */
export const DATASET_ERROR_CODES = [
  'empty_body',
  'invalid_multipart',
  'invalid_encoding',
  'invalid_csv',
  'invalid_jsonl',
  'invalid_idx',
  'invalid_parquet',
  'invalid_arrow',
  'invalid_npy',
  'invalid_archive',
  'unsafe_archive',
  'decompression_limit',
  'unsupported_media_type',
  'invalid_labels',
] as const;
export type DatasetErrorCode = (typeof DATASET_ERROR_CODES)[number];

export interface DatasetMistake {
  /** 1-based; null where the file has no lines */
  line: number | null;
  /** 1-based: the field in CSV, the character elsewhere; null: the line as a whole */
  column: number | null;
  detail: string;
  /** what to do, or what should stand there */
  expected: string;
}

export const MOST_MISTAKES = 20;

/** The bytes are not a dataset: `mistakes` are the first of them, at most 20. */
export class DatasetError extends Error {
  readonly code: DatasetErrorCode;
  readonly mistakes: DatasetMistake[];
  constructor(code: DatasetErrorCode, mistakes: DatasetMistake[]) {
    const [first] = mistakes;
    super(first === undefined ? code : first.line === null ? first.detail : `line ${first.line}: ${first.detail}`);
    this.code = code;
    this.mistakes = mistakes;
  }
}

/** Throws a DatasetError with one mistake. */
export function fail(
  code: DatasetErrorCode,
  place: { line: number | null; column?: number },
  detail: string,
  expected: string,
): never {
  throw new DatasetError(code, [{ line: place.line, column: place.column ?? null, detail, expected }]);
}

/** Of the system or the storage, and no fault of the bytes that a library was reading when it came. */
export function isOutside(error: unknown): boolean {
  if (!(error instanceof Error)) return true;
  // zlib has numbers of its own, which tell of the bytes
  const { errno, code = '' } = error as NodeJS.ErrnoException;
  return (
    error instanceof DatasetError ||
    error instanceof BlobNotFoundError ||
    error instanceof StorageFullError ||
    error instanceof StorageFailedError ||
    (typeof errno === 'number' && !/^Z(STD)?_/.test(code))
  );
}

/** Collects mistakes that reading can go on after. */
export class MistakeList {
  readonly code: DatasetErrorCode;
  readonly mistakes: DatasetMistake[] = [];
  constructor(code: DatasetErrorCode) {
    this.code = code;
  }

  /** Throws what was collected once there are 20. */
  add(line: number | null, column: number | null, detail: string, expected: string): void {
    this.mistakes.push({ line, column, detail, expected });
    if (this.mistakes.length >= MOST_MISTAKES) this.throwIfAny();
  }

  throwIfAny(): void {
    if (this.mistakes.length > 0) throw new DatasetError(this.code, this.mistakes);
  }

  /** The error, with what was collected before it in front. */
  join(error: unknown): unknown {
    if (!(error instanceof DatasetError) || error.code !== this.code || error.mistakes === this.mistakes) return error;
    return new DatasetError(this.code, [...this.mistakes, ...error.mistakes].slice(0, MOST_MISTAKES));
  }
}

/** A name or a value as it is shown in a message. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}
