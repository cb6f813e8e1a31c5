import type { Node } from '../graph/graph.ts';

/** Parameters that are updated in a way of their own. */
export interface ParameterGroup {
  matches(parameterName: string): boolean;
  learningRateScale: number;
  /** null: the optimizer's, and none for what is no weight matrix */
  weightDecay: number | null;
}

export const MAX_PARAMETER_GROUPS = 16;

/**
 * Hyperparameter blocks, two for each group and two for what is in no group, which come last: the first of two is for weight matrices,
 * the second for what does not decay unless its group says so. Behind them one for what is the same for all parameters.
 */
export const COMMON_BLOCK = 2 * (MAX_PARAMETER_GROUPS + 1);
export const HYPER_BLOCKS = COMMON_BLOCK + 1;

/** Of normalisation layers; biases and other vectors are known by their shape. */
const SCALES_AND_SHIFTS = /\.(bias|scale|shift|gamma|beta)$/;

function isWeightMatrix(parameterName: string, { shape }: Node): boolean {
  return shape.dims.length >= 2 && !SCALES_AND_SHIFTS.test(parameterName);
}

/** Which hyperparameter block a parameter's update reads. The first group that matches has it. */
export function hyperBlockOf(groups: readonly ParameterGroup[], parameterName: string, target: Node): number {
  const found = groups.findIndex((group) => group.matches(parameterName));
  return 2 * (found < 0 ? groups.length : found) + (isWeightMatrix(parameterName, target) ? 0 : 1);
}

/** What holds for the parameters of a block. */
export function rulesOfBlock(groups: readonly ParameterGroup[], block: number, weightDecay: number) {
  const group = groups[block >> 1];
  return {
    learningRateScale: group?.learningRateScale ?? 1,
    weightDecay: group?.weightDecay ?? (block % 2 === 0 ? weightDecay : 0),
  };
}
