import { type Static, Type } from 'typebox';
import { closed, derived, tag, variants, words } from './schema.ts';
import { WATCHED } from './watched.ts';

/** How the learning rate goes on from step to step. */

const warmup_steps = Type.Integer({
  minimum: 0,
  maximum: 1e9,
  default: 0,
  description: 'steps of linear rise from 0 in front of the schedule',
});

const final_share = Type.Number({
  minimum: 0,
  maximum: 1,
  default: 0,
  description: 'share of the learning rate left at the lowest point',
});
const gamma = { exclusiveMinimum: 0, maximum: 1 };

export const Schedule = variants(
  [
    closed({ type: tag('constant'), warmup_steps }),
    closed(
      {
        type: tag('step'),
        warmup_steps,
        every_steps: Type.Integer({ minimum: 1, maximum: 1e9 }),
        gamma: Type.Number({ ...gamma, default: 0.1 }),
      },
      { description: 'Times gamma every so many steps.' },
    ),
    closed(
      {
        type: tag('multi_step'),
        warmup_steps,
        milestones: Type.Array(Type.Integer({ minimum: 1, maximum: 1e9 }), {
          minItems: 1,
          maxItems: 1000,
          description: 'steps, counted from the end of the warm-up',
        }),
        gamma: Type.Number({ ...gamma, default: 0.1 }),
      },
      { description: 'Times gamma at each milestone.' },
    ),
    closed(
      { type: tag('exponential'), warmup_steps, gamma: Type.Number(gamma) },
      { description: 'Times gamma with every step.' },
    ),
    closed(
      {
        type: tag('polynomial'),
        warmup_steps,
        power: Type.Number({ exclusiveMinimum: 0, maximum: 100, default: 1 }),
        final_share,
      },
      { description: 'Down to the last step as (1 − done)^power; a straight line for power 1.' },
    ),
    closed(
      {
        type: tag('cosine'),
        warmup_steps,
        final_share,
      },
      { description: 'Half a cosine down to the last step (Loshchilov & Hutter 2017).' },
    ),
    closed(
      {
        type: tag('cosine_restarts'),
        warmup_steps,
        first_steps: Type.Integer({ minimum: 1, maximum: 1e9, description: 'length of the first cosine' }),
        growth: Type.Integer({
          minimum: 1,
          maximum: 100,
          default: 1,
          description: 'how many times longer each cosine is than the one before',
        }),
        final_share,
      },
      { description: 'Cosines that start again at the full rate: SGDR (Loshchilov & Hutter 2017).' },
    ),
    closed(
      {
        type: tag('one_cycle'),
        warmup_steps,
        rise_share: Type.Number({
          exclusiveMinimum: 0,
          maximum: 1,
          default: 0.3,
          description: 'share of the steps in which the rate rises',
        }),
        initial_divisor: Type.Number({
          minimum: 1,
          maximum: 1e9,
          default: 25,
          description: 'the first rate is learning_rate divided by it',
        }),
        final_divisor: Type.Number({
          minimum: 1,
          maximum: 1e9,
          default: 10_000,
          description: 'the last rate is the first divided by it',
        }),
      },
      {
        description:
          'Up to the learning rate and down to almost nothing, in cosines (Smith & Topin 2018). Unlike PyTorch’s it leaves momentum alone.',
      },
    ),
    closed(
      { type: tag('inverse_sqrt'), warmup_steps },
      { description: 'Falls with the root of the steps, from the end of the warm-up on (Vaswani et al. 2017).' },
    ),
    closed(
      {
        type: tag('reduce_on_plateau'),
        warmup_steps,
        metric: words(WATCHED, derived('validation.loss where there is a validation split; else train.loss')),
        factor: Type.Number({ exclusiveMinimum: 0, exclusiveMaximum: 1, default: 0.1 }),
        patience: Type.Integer({
          minimum: 0,
          maximum: 100_000,
          default: 10,
          description: 'epochs without improvement that are let pass',
        }),
        threshold: Type.Number({
          minimum: 0,
          maximum: 1,
          default: 1e-4,
          description: 'an improvement is one by more than this share of the best value',
        }),
        cooldown: Type.Integer({
          minimum: 0,
          maximum: 100_000,
          default: 0,
          description: 'epochs after a reduction in which nothing is counted',
        }),
        min_learning_rate: Type.Number({ minimum: 0, maximum: 1000, default: 0 }),
      },
      { description: 'Times factor when a metric has not improved for more than `patience` epochs.' },
    ),
  ],
  { title: 'Schedule', shorthand: 'type', description: 'The learning rate from step to step (not epoch to epoch).' },
);
export type Schedule = Static<typeof Schedule>;
