import { type Static, Type } from 'typebox';
import { closed, tag, variants, words } from '../schema.ts';

export const Activation = variants(
  [
    closed({ type: tag('linear') }),
    closed({ type: tag('relu') }),
    closed({
      type: tag('leaky_relu'),
      alpha: Type.Number({ minimum: 0, maximum: 1, default: 0.01, description: 'slope below zero' }),
    }),
    closed({ type: tag('relu6') }, { description: 'x clipped to [0, 6]' }),
    closed({
      type: tag('elu'),
      alpha: Type.Number({ minimum: 0, maximum: 100, default: 1, description: 'α in α(e^x − 1), below zero' }),
    }),
    closed({ type: tag('selu') }, { description: 'λ·elu, self-normalising (Klambauer et al. 2017)' }),
    closed({
      type: tag('gelu'),
      approximate: words(['none', 'tanh'], { default: 'none', description: 'exact (erf) or the tanh form' }),
    }),
    closed({ type: tag('silu') }, { description: 'x·sigmoid(x), also called swish' }),
    closed({ type: tag('hard_silu') }, { description: 'x·hard_sigmoid(x), also called hardswish' }),
    closed({ type: tag('mish') }, { description: 'x·tanh(softplus(x))' }),
    closed({ type: tag('softplus') }, { description: 'ln(1 + e^x)' }),
    closed({ type: tag('softsign') }, { description: 'x / (1 + |x|)' }),
    closed({ type: tag('sigmoid') }),
    closed({ type: tag('hard_sigmoid') }, { description: 'x/6 + ½ clipped to [0, 1]' }),
    closed({ type: tag('tanh') }),
    closed({ type: tag('hard_tanh') }, { description: 'x clipped to [−1, 1]' }),
    closed({ type: tag('softmax') }),
    closed({ type: tag('log_softmax') }),
  ],
  {
    title: 'Activation',
    shorthand: 'type',
    description: 'Activation function: a word, or an object with its parameters.',
  },
);
export type Activation = Static<typeof Activation>;
