import type { Prediction, PredictRequest, RowMistake } from '../spec/prediction.ts';

export interface PredictorTask {
  id: number;
  request: PredictRequest;
}

export type PredictorReply =
  | { id: number; predictions: Prediction[] }
  | { id: number; mistakes: RowMistake[] }
  | { id: number; damaged: string }
  | { id: number; error: string };
