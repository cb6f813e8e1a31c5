import type { Node } from '../graph/graph.ts';

/** Parameters that are updated in a way of their own. */
export interface ParameterGroup {
  matches(parameterName: string): boolean;
  learningRateScale: number;
  /** null: the optimizer's, and none for what is no weight matrix */
  weightDecay: number | null;
  /** the update, counted from 0, with which training them begins; 0 unless said */
  beginsAt?: number;
}

/**
 * Hyperparameter blocks: one for what is the same for all parameters, then two for each group and two for what is in no group, which come last. The
 * first of two is for weight matrices, the second for what does not decay unless its group says so.
 */
export const COMMON_BLOCK = 0;

/** Of normalisation layers; biases and other vectors are known by their shape. */
const SCALES_AND_SHIFTS = /\.(bias|scale|shift|gamma|beta)$/;

function isWeightMatrix(parameterName: string, { shape }: Node): boolean {
  return shape.dims.length >= 2 && !SCALES_AND_SHIFTS.test(parameterName);
}

/** Which hyperparameter block a parameter's update reads. The first group that matches has it. */
export function hyperBlockOf(groups: readonly ParameterGroup[], parameterName: string, target: Node): number {
  const found = groups.findIndex((group) => group.matches(parameterName));
  return 1 + 2 * (found < 0 ? groups.length : found) + (isWeightMatrix(parameterName, target) ? 0 : 1);
}

/** What holds for the parameters of a block. */
export function rulesOfBlock(groups: readonly ParameterGroup[], block: number, weightDecay: number) {
  const group = groups[(block - 1) >> 1];
  return {
    learningRateScale: group?.learningRateScale ?? 1,
    weightDecay: group?.weightDecay ?? (block % 2 === 1 ? weightDecay : 0),
    beginsAt: group?.beginsAt ?? 0,
  };
}

/** The groups, each parted by when training its parameters begins: what an optimizer counts, it counts from there. */
export function splitByBeginning(
  groups: readonly ParameterGroup[],
  parameterNames: readonly string[],
  beginsAt: (parameterName: string) => number,
): ParameterGroup[] {
  const beginnings = [...new Set(parameterNames.map(beginsAt))].sort((a, b) => a - b);
  if (beginnings.every((beginning) => beginning === 0)) return [...groups];
  const rest: ParameterGroup = { matches: () => true, learningRateScale: 1, weightDecay: null };
  return beginnings.flatMap((beginning) =>
    [...groups, rest].map((group) => ({
      ...group,
      beginsAt: beginning,
      matches: (name: string) => beginsAt(name) === beginning && group.matches(name),
    })),
  );
}
