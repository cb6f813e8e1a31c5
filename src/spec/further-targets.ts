import type { JobSpec } from './job-spec.ts';
import type { MoreTarget } from './target.ts';

/** Most rows ahead of which a category is told: each has an output layer of its own. */
export const MOST_STEPS = 64;

type Named = Pick<JobSpec, 'model' | 'target'> & Partial<Pick<JobSpec, 'more_targets' | 'forecast' | 'training'>>;

/**
 * Targets besides the first, each with an output layer and a loss of its own: those that the spec names, or of a category that is forecast its classes
 * behind the next row, `step_2`, `step_3`, …. Specs from before there were such have no such fields.
 */
export function furtherTargets({
  target,
  forecast = null,
  more_targets: more = [],
  training,
  model,
}: Named): readonly MoreTarget[] {
  if (forecast === null || target.type !== 'category' || model.output === null) return more;
  const { output } = model;
  const { columns, type, normalize } = target;
  return Array.from({ length: forecast.horizon - 1 }, (_, i) => ({
    ...{ name: `step_${i + 2}`, columns, type, normalize, weight: 1 },
    ...{ loss: training!.loss, output },
  }));
}

/** The layer that tells a further target. */
export function outputName(target: string): string {
  return `output_${target}`;
}
