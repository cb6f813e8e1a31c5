import type { EstimateFigures, EstimateRequest } from '../spec/estimate.ts';
import type { StorageDescription } from '../storage/describe.ts';
import type { EngineLimits } from './open-trainer.ts';

/** What the workers have, as far as the API’s own environment tells. */
export type EstimatorLimits = Omit<EngineLimits, 'compiled'>;

export interface EstimatorTask {
  request: EstimateRequest;
  storage: StorageDescription;
  limits: EstimatorLimits;
}

export type EstimatorReply =
  | { figures: EstimateFigures }
  | { refused: { message: string; hint: string } }
  | { full: string }
  | { failed: string }
  | { error: string };
