import type { LossDescription } from '../engine/ops/losses.ts';
import type { Loss } from '../spec/loss.ts';
import type { Preparation } from '../spec/preparation.ts';

/** Says a resolved loss in the engine's words. */

/** What classes' names stand for, in the order of the outputs. */
interface OfClasses {
  classWeights: readonly number[] | null;
  ignoreIndex: number | null;
}

export function buildLoss(
  loss: Loss,
  rows: { preparation: Preparation; classCounts: readonly number[] | null },
): LossDescription {
  const { preparation, classCounts } = rows;
  const { target } = preparation;
  if (target.type !== 'category' || (loss.type !== 'cross_entropy' && loss.type !== 'hinge'))
    return describeLoss(loss, { classWeights: null, ignoreIndex: null });
  // jobs from before there were these fields have none of them
  const { class_weights: weights = null, ignore_class: ignored = null } = loss as Partial<typeof loss>;
  const ignoreIndex = ignored === null ? null : target.classes.indexOf(ignored);
  if (weights === null) return describeLoss(loss, { classWeights: null, ignoreIndex });
  const classWeights =
    weights === 'balanced'
      ? balance(classCounts!, ignoreIndex)
      : target.classes.map((name) => (Object.hasOwn(weights, name) ? weights[name]! : 1));
  return describeLoss(loss, { classWeights, ignoreIndex });
}

/** Of a further target, whose classes all count alike. */
export function buildHeadLoss(loss: Loss): LossDescription {
  return describeLoss(loss, { classWeights: null, ignoreIndex: null });
}

/** rows / (classes · rows of the class), as scikit-learn's; 1 for a class without rows */
function balance(counts: readonly number[], ignored: number | null): number[] {
  const counted = counts.filter((_, i) => i !== ignored);
  const rows = counted.reduce((a, b) => a + b, 0);
  return counts.map((count) => (count === 0 ? 1 : rows / (counted.length * count)));
}

export function describeLoss(loss: Loss, ofClasses: OfClasses): LossDescription {
  switch (loss.type) {
    case 'cross_entropy':
      return { type: loss.type, labelSmoothing: loss.label_smoothing, focalGamma: loss.focal_gamma, ...ofClasses };
    case 'hinge':
      return { type: loss.type, margin: loss.margin, squared: loss.squared, ...ofClasses };
    case 'binary_cross_entropy':
      return { type: loss.type, positiveWeight: loss.pos_weight, focalGamma: loss.focal_gamma };
    case 'contrastive':
      return { type: loss.type, margin: loss.margin };
    case 'triplet':
      return { type: loss.type, margin: loss.margin, mining: loss.mining };
    default:
      return loss;
  }
}
