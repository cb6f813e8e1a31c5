import { type Static, Type } from 'typebox';
import { closed, variants, words } from '../schema.ts';
import { tag } from './fields.ts';

export const Activation = variants(
  [
    closed({ type: tag('linear') }),
    closed({ type: tag('relu') }),
    closed({
      type: tag('leaky_relu'),
      alpha: Type.Number({ minimum: 0, maximum: 1, default: 0.01, description: 'slope below zero' }),
    }),
    closed({ type: tag('sigmoid') }),
    closed({ type: tag('tanh') }),
    closed({
      type: tag('gelu'),
      approximate: words(['none', 'tanh'], { default: 'none', description: 'exact (erf) or the tanh form' }),
    }),
    closed({ type: tag('softmax') }),
  ],
  {
    title: 'Activation',
    shorthand: 'type',
    description: 'Activation function: a word, or an object with its parameters.',
  },
);
export type Activation = Static<typeof Activation>;
