import { type Static, Type } from 'typebox';
import { closed, tag, variants } from '../schema.ts';

const gain = Type.Number({ exclusiveMinimum: 0, maximum: 100, default: 1 });

export const Initializer = variants(
  [
    closed({ type: tag('zeros') }),
    closed({ type: tag('ones') }),
    closed({ type: tag('constant'), value: Type.Number({ minimum: -1e6, maximum: 1e6 }) }),
    closed({
      type: tag('values'),
      values: Type.Array(Type.Number({ minimum: -1e6, maximum: 1e6 }), {
        minItems: 1,
        maxItems: 65_536,
        description: 'row-major, (inputs, units) for weights',
      }),
    }),
    closed({
      type: tag('normal'),
      mean: Type.Number({ minimum: -100, maximum: 100, default: 0 }),
      stddev: Type.Number({ exclusiveMinimum: 0, maximum: 100, default: 0.05 }),
    }),
    closed({
      type: tag('uniform'),
      low: Type.Number({ minimum: -100, maximum: 100, default: -0.05 }),
      high: Type.Number({ minimum: -100, maximum: 100, default: 0.05 }),
    }),
    closed({ type: tag('xavier_normal'), gain }),
    closed({ type: tag('xavier_uniform'), gain }),
    closed({ type: tag('he_normal'), gain }),
    closed({ type: tag('he_uniform'), gain }),
    closed({ type: tag('lecun_normal'), gain }),
    closed({ type: tag('lecun_uniform'), gain }),
  ],
  { title: 'Initializer', shorthand: 'type', description: 'How values are drawn before the first step.' },
);
export type Initializer = Static<typeof Initializer>;
