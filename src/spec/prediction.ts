/** One answer: the target columns' values; for a category also `probabilities` by class. */
export type Prediction = Record<string, unknown>;

export interface PredictRequest {
  checkpointId: string;
  storageKey: string;
  sha256: string;
  rows: Record<string, unknown>[];
}

/** The checkpoint's file is not what was written, or gone. */
export class CheckpointUnusableError extends Error {}

/** More predictions are waiting than can be answered soon. */
export class PredictorBusyError extends Error {}

/** Answers rows from a checkpoint, away from the thread that serves HTTP. */
export interface Predictor {
  /** Rejects with RowsError where rows do not fit the checkpoint's preparation; PredictorBusyError; CheckpointUnusableError. */
  predict(request: PredictRequest): Promise<Prediction[]>;
  close(): Promise<void>;
}

export interface RowMistake {
  /** JSON pointer below the request: `/rows/3/bill_length` */
  pointer: string;
  code: string;
  detail: string;
  expected: string | null;
}

export class RowsError extends Error {
  readonly mistakes: RowMistake[];
  constructor(mistakes: RowMistake[]) {
    super(mistakes[0]?.detail ?? 'rows do not fit');
    this.mistakes = mistakes;
  }
}
