import { type Static, Type } from 'typebox';
import { closed, tag, words } from '../schema.ts';
import { count, layerFields } from './fields.ts';
import { Initializer } from './initializer.ts';
import { type LayerRule, layerRule, misfit, type ParameterRule, type RowShape, type ShapeAfter, show } from './rule.ts';
import { notSteps, type StepsShape } from './sequences.ts';
import { biasFields } from './weights.ts';

const xavier = { type: 'xavier_uniform', gain: 1 };

const recurrentFields = {
  ...layerFields,
  units: count('width of the hidden state', 4096),
  depth: Type.Integer({ minimum: 1, maximum: 16, default: 1, description: 'layers, each over the one before' }),
  bidirectional: Type.Boolean({
    default: false,
    description: 'also from the last step to the first; both hidden states stand side by side',
  }),
  returns: words(['last', 'sequence'], {
    default: 'last',
    description: 'the hidden state after the last step, or that of every step',
  }),
  dropout: Type.Number({ minimum: 0, exclusiveMaximum: 1, default: 0, description: 'between the layers of `depth`' }),
  init: Type.Unsafe<Initializer>({ ...Initializer, default: xavier }),
  recurrent_init: Type.Unsafe<Initializer>({ ...Initializer, default: xavier }),
  ...biasFields,
};

const RnnLayer = closed(
  { type: tag('rnn'), ...recurrentFields },
  {
    title: 'RnnLayer',
    description:
      'Simple recurrent layer: h = tanh(x·W + h₋₁·U + b). A second input is the initial hidden state, of depth · directions · units values.',
  },
);
const LstmLayer = closed(
  { type: tag('lstm'), ...recurrentFields },
  {
    title: 'LstmLayer',
    description:
      'Long short-term memory (Hochreiter & Schmidhuber 1997), gates in the order i f g o, one bias. A second and third input are the initial hidden state and cell.',
  },
);
const GruLayer = closed(
  { type: tag('gru'), ...recurrentFields },
  {
    title: 'GruLayer',
    description:
      'Gated recurrent unit (Cho et al. 2014), gates in the order r z n, the reset gate after the product, as PyTorch has it. A second input is the initial hidden state.',
  },
);

type Recurrent = Static<typeof RnnLayer> | Static<typeof LstmLayer> | Static<typeof GruLayer>;

const GATES = { rnn: 1, gru: 3, lstm: 4 } as const;

function shapeAfter(layer: Recurrent, [shape, ...initial]: readonly RowShape[]): ShapeAfter {
  const wrong = notSteps(layer.type, shape);
  if (wrong !== null) return wrong;
  const { units, bidirectional, depth, type } = layer;
  if (initial.length > 0) {
    const states = type === 'lstm' ? 2 : 1;
    if (initial.length !== states)
      return misfit(
        'inputs',
        `${type} has an initial state of ${states}, not ${initial.length}`,
        `${states + 1} inputs`,
      );
    const size = units * depth * (bidirectional ? 2 : 1);
    const other = initial.find((s) => s !== null && (s.length !== 1 || (s[0] !== null && s[0] !== size)));
    if (other !== undefined)
      return misfit('inputs', `the initial state is ${show(other!)}, the hidden states (${size})`, `(${size})`);
  }
  const width = bidirectional ? 2 * units : units;
  return { shape: layer.returns === 'last' ? [width] : [shape![0]!, width] };
}

function parameters(layer: Recurrent, [shape]: readonly RowShape[]): ParameterRule[] {
  const { type, units, depth, bidirectional, bias } = layer;
  const gates = GATES[type] * units;
  const levels = Array.from({ length: depth }, (_, i) => i + 1);
  return levels.flatMap((level) =>
    (bidirectional ? [false, true] : [false]).flatMap((reverse): ParameterRule[] => {
      const prefix = `${level === 1 ? '' : `level${level}.`}${reverse ? 'reverse.' : ''}`;
      const width = level > 1 ? (bidirectional ? 2 : 1) * units : ((shape ?? [null, null]) as StepsShape)[1];
      const ofBias = { field: 'bias_init', value: layer.bias_init };
      return [
        { name: `${prefix}weight`, dims: [width, gates], init: { field: 'init', value: layer.init } },
        {
          name: `${prefix}recurrent_weight`,
          dims: [units, gates],
          init: { field: 'recurrent_init', value: layer.recurrent_init },
        },
        ...(bias ? [{ name: `${prefix}bias`, dims: [gates], init: ofBias }] : []),
        ...(bias && type === 'gru' ? [{ name: `${prefix}recurrent_bias`, dims: [units], init: ofBias }] : []),
      ];
    }),
  );
}

const common: Pick<LayerRule<typeof RnnLayer>, 'arity'> & {
  shapeAfter: typeof shapeAfter;
  parameters: typeof parameters;
} = { arity: { minimum: 1, maximum: 2 }, shapeAfter, parameters };

export const rnn = layerRule({ schema: RnnLayer, ...common });
export const gru = layerRule({ schema: GruLayer, ...common });
export const lstm = layerRule({ schema: LstmLayer, ...common, arity: { minimum: 1, maximum: 3 } });
