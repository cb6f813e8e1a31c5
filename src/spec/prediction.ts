/** One answer: the target columns' values; for a category also `probabilities` by class. */
export type Prediction = Record<string, unknown>;

/** The file with the weights, and all that goes with them. */
export interface TrainedNetwork {
  storageKey: string;
  sha256: string;
}

/** Rows as they came. What is text is read where the network is, away from the thread that serves HTTP. */
export type RowSource =
  /** a list of objects as JSON: between processes that is quicker than the objects */
  | { type: 'rows'; json: string }
  /** whole lines, the first of which is `line` of the request's body */
  | { type: 'ndjson'; bytes: Uint8Array; line: number }
  | { type: 'csv'; header: string[]; delimiter: string; bytes: Uint8Array; line: number }
  /** prepared rows: values of the network's input one after the other, little-endian */
  | { type: 'float32'; bytes: Uint8Array }
  /** images of a network with one image as its input: their bytes as they are, one after the other */
  | { type: 'pixels'; bytes: Uint8Array }
  /** one image file: PNG, JPEG or WebP */
  | { type: 'image'; bytes: Uint8Array };

export interface PredictRequest {
  network: TrainedNetwork;
  source: RowSource;
  answer: AnswerFormat;
  /** rows that do not fit are told in the place of their answers; else none is answered, and RowsError tells of all */
  inline: boolean;
}

export type AnswerFormat = 'json' | 'ndjson' | 'csv';

export interface PredictAnswer {
  /** json: a list; ndjson, csv: lines, each with its end; csv without a header */
  text: string;
  rows: number;
  /** of csv */
  header: string | null;
  /** of json, at most MOST_WARNINGS: lines tell theirs themselves; absent: there is nothing to say */
  warnings?: RowWarning[];
}

/** Of an answer in JSON; a line tells MOST_LINE_WARNINGS of its row. */
export const MOST_WARNINGS = 100;
export const MOST_LINE_WARNINGS = 10;

/** What may be meant otherwise than it is taken; the row is answered all the same. */
export interface RowWarning extends RowMistake {
  /** from 0; `pointer` is below it: `/island`, or the row itself */
  row: number;
}

export interface GenerateRequest {
  network: TrainedNetwork;
  prompt: string;
  maxTokens: number;
  /** 0: always the most likely */
  temperature: number;
  /** of the most likely; 0: of all */
  topK: number;
  /** of the most likely that make up this share */
  topP: number;
  seed: number;
  stop: string[];
  /** each piece as soon as it is there; else as few as may be */
  inPieces: boolean;
}

/** Text that can be shown: it is no beginning of something that ends the text, and ends between characters. */
export interface GeneratedPiece {
  text: string;
  tokens: number;
  /** with the last piece; stop: one of `stop` came, which is left out */
  finish: 'stop' | 'length' | null;
}

/** The checkpoint's file is not what was written, or gone. */
export class CheckpointUnusableError extends Error {}

/** More predictions are waiting than can be answered soon. */
export class PredictorBusyError extends Error {}

/** Answers rows from a checkpoint, away from the thread that serves HTTP. */
export interface Predictor {
  /** Rejects with RowsError where rows do not fit the checkpoint's preparation; PredictorBusyError; CheckpointUnusableError. */
  predict(request: PredictRequest): Promise<PredictAnswer>;
  /** Goes on with a text, piece by piece, until it ends, or `signal` is aborted. Errors: those of `predict`. */
  generate(request: GenerateRequest, signal: AbortSignal): AsyncIterable<GeneratedPiece>;
  close(): Promise<void>;
}

export interface RowMistake {
  /** JSON pointer below the request: `/rows/3/bill_length`; of lines, into the line's object */
  pointer: string;
  code: string;
  detail: string;
  expected: string | null;
}

/** Mistakes of one request's rows that are told: the answer must stay readable, and the nearest of many names takes time to find. */
export const MOST_ROW_MISTAKES = 1000;

export class RowsError extends Error {
  readonly mistakes: RowMistake[];
  constructor(mistakes: RowMistake[]) {
    super(mistakes[0]?.detail ?? 'rows do not fit');
    this.mistakes = mistakes;
  }
}
