import type { GeneratedPiece, GenerateRequest, PredictAnswer, PredictRequest, RowMistake } from '../spec/prediction.ts';

/** Between the pool and one of its processes. */

export type PredictorTask = { id: number } & (
  | { type: 'predict'; request: PredictRequest }
  | { type: 'generate'; request: GenerateRequest }
  /** of a generation: nobody listens any more */
  | { type: 'stop' }
);

export type PredictorReply = { id: number } & (
  | { answer: PredictAnswer }
  /** the generation ends with the first piece that has a `finish` */
  | { piece: GeneratedPiece }
  | { mistakes: RowMistake[] }
  | { damaged: string }
  | { failed: string }
  | { error: string }
);
