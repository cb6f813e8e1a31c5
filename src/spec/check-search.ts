import type { Add } from './draft.ts';
import type { JobSpec } from './job-spec.ts';
import { pointerTo } from './mistake.ts';
import type { Optimizer } from './optimizer.ts';

/** Optimizers that look at the same rows several times before they have made a step, and what does not go with them. */

export type SearchOptimizer = Extract<Optimizer, { type: 'lbfgs' | 'hessian_free' | 'random_search' }>;

export function isSearch(optimizer: Optimizer): optimizer is SearchOptimizer {
  return optimizer.type === 'lbfgs' || optimizer.type === 'hessian_free' || optimizer.type === 'random_search';
}

/** Losses whose curvature by the outputs is known, and nowhere negative. */
const CURVED = ['mse', 'huber', 'log_cosh', 'poisson', 'kl_divergence', 'cross_entropy', 'binary_cross_entropy'];

export function checkSearch({ training, model }: JobSpec, add: Add): void {
  const { optimizer } = training;
  if (!isSearch(optimizer)) return;
  const refuse = (pointer: string, what: string, expected: string) =>
    add(pointer, `${optimizer.type} ${what}`, `${expected}, or another optimizer`);
  for (const field of ['clip_norm', 'clip_value'] as const)
    if (training[field] !== null) refuse(`/training/${field}`, 'takes gradients as they are', 'null');
  if (training.ema !== null) refuse('/training/ema', 'keeps no average of the weights', 'null');
  if (training.parameter_groups.length > 0)
    refuse('/training/parameter_groups', 'moves all weights together', 'no groups');
  if (training.regularization.length > 0)
    refuse('/training/regularization', 'looks at the loss alone, which has no penalties', 'no regularization');
  model.layers.forEach((layer, i) => {
    const pointer = pointerTo('/model/layers', i, 'type');
    if (layer.type === 'batch_norm')
      refuse(pointer, 'sees the same rows several times, which running statistics must not', 'another normalisation');
    else if (layer.type === 'activity_regularization')
      refuse(pointer, 'looks at the loss alone, which has no penalties', 'no such layer');
  });
  if (optimizer.type !== 'hessian_free') return;
  const { loss } = training;
  if (!CURVED.includes(loss.type))
    refuse('/training/loss', `needs a loss that is curved and convex, which ${loss.type} is not`, CURVED.join(', '));
  else if ('focal_gamma' in loss && loss.focal_gamma > 0)
    refuse('/training/loss/focal_gamma', 'needs a convex loss, which a focal one is not', '0');
}
