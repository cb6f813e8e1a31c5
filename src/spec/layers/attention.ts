import { type Static, Type } from 'typebox';
import { closed, derived, tag, words } from '../schema.ts';
import { Activation } from './activation.ts';
import { count, layerFields } from './fields.ts';
import { Initializer } from './initializer.ts';
import { layerRule, misfit, type ParameterRule, type RowShape, type ShapeAfter, type Size, show } from './rule.ts';
import { notSteps, type StepsShape } from './sequences.ts';

/** Steps whose scores one tile of attention holds. */
const MOST_STEPS = 32_512;

const headFields = {
  heads: count('heads; the width is shared out among them', 256),
  key_heads: Type.Integer({
    minimum: 1,
    maximum: 256,
    ...derived('heads'),
    description: 'heads of keys and values, each shared by a group of heads (Ainslie et al. 2023)',
  }),
  rotary: Type.Boolean({
    default: false,
    description: 'queries and keys are turned by their position (Su et al. 2021)',
  }),
  init: Type.Unsafe<Initializer>({ ...Initializer, default: { type: 'xavier_uniform', gain: 1 } }),
  bias: Type.Boolean({ default: true }),
};

const AttentionLayer = closed(
  {
    type: tag('attention'),
    ...layerFields,
    ...headFields,
    causal: Type.Boolean({ default: false, description: 'a step sees itself and what came before' }),
  },
  {
    title: 'AttentionLayer',
    description:
      'Multi-head attention (Vaswani et al. 2017) of a sequence to itself; with a second input, to that. Padding of an embedding is not seen.',
  },
);

const forwardFields = {
  units: count('width inside the feed-forward network', 65_536),
  activation: Type.Unsafe<Activation>({ ...Activation, default: { type: 'gelu' } }),
  gated: Type.Boolean({
    default: false,
    description: 'activation(x·W)·(x·V): SwiGLU with silu, GEGLU with gelu (Shazeer 2020)',
  }),
};

const FeedForwardLayer = closed(
  { type: tag('feed_forward'), ...layerFields, ...forwardFields, init: headFields.init, bias: headFields.bias },
  {
    title: 'FeedForwardLayer',
    description: 'Two products with an activation between, the second back to the width that came in.',
  },
);

const blockFields = {
  ...layerFields,
  ...headFields,
  ...forwardFields,
  norm: words(['layer_norm', 'rms_norm'], { default: 'layer_norm' }),
  norm_position: words(['pre', 'post'], {
    default: 'pre',
    description: 'before attention and feed-forward, or after their residual sums as in the original',
  }),
  epsilon: Type.Number({ exclusiveMinimum: 0, maximum: 1, default: 1e-5, description: 'of the norms' }),
  dropout: Type.Number({
    minimum: 0,
    exclusiveMaximum: 1,
    default: 0,
    description: 'of what attention and feed-forward add',
  }),
};

const EncoderLayer = closed(
  { type: tag('transformer_encoder'), ...blockFields },
  {
    title: 'TransformerEncoderLayer',
    description: 'A transformer block in which every step sees the whole sequence: attention, then feed-forward.',
  },
);

const DecoderLayer = closed(
  { type: tag('transformer_decoder'), ...blockFields },
  {
    title: 'TransformerDecoderLayer',
    description:
      'A transformer block in which a step sees itself and what came before. A second input is a sequence that it attends to between the two.',
  },
);

type Attention = Static<typeof AttentionLayer>;
type Block = Static<typeof EncoderLayer> | Static<typeof DecoderLayer>;

const complete = (layer: Attention | Block) => {
  layer.key_heads ??= layer.heads;
};

function shapeAfter(layer: Attention | Block, inputs: readonly RowShape[]): ShapeAfter {
  for (const shape of inputs) {
    const wrong = notSteps(layer.type, shape);
    if (wrong !== null) return wrong;
    if (shape![0]! > MOST_STEPS)
      return misfit(
        'type',
        `a sequence of ${shape![0]} steps is too long for attention`,
        `at most ${MOST_STEPS} steps`,
      );
  }
  const [, width] = inputs[0] as StepsShape;
  const { heads, key_heads: keyHeads, rotary } = layer;
  if (width % heads !== 0)
    return misfit('heads', `a width of ${width} cannot be shared out among ${heads} heads`, `a divisor of ${width}`);
  if (heads % keyHeads !== 0)
    return misfit('key_heads', `${heads} heads cannot share ${keyHeads} evenly`, `a divisor of ${heads}`);
  if (rotary && (width / heads) % 2 !== 0)
    return misfit('rotary', `heads of ${width / heads} have no pairs to turn`, 'heads of even width');
  return { shape: inputs[0]! };
}

type Init = { field: string; value: Initializer };

function linear(name: string, from: Size, to: Size, bias: boolean, init: Init): ParameterRule[] {
  return [{ name: `${name}.weight`, dims: [from, to], init }, ...(bias ? [{ name: `${name}.bias`, dims: [to] }] : [])];
}

/** Products of an attention named `prefix`, which takes sequences of these widths. */
function attentionParameters(
  { heads, key_heads: keyHeads, init, bias }: Attention | Block,
  prefix: string,
  width: Size,
  memory?: Size,
): ParameterRule[] {
  const of = { field: 'init', value: init };
  const times = (n: number) => (width === null ? null : (n * width) / heads);
  const inner =
    memory === undefined
      ? linear(`${prefix}qkv`, width, times(heads + 2 * keyHeads), bias, of)
      : [
          ...linear(`${prefix}query`, width, width, bias, of),
          ...linear(`${prefix}key_value`, memory, times(2 * keyHeads), bias, of),
        ];
  return [...inner, ...linear(`${prefix}output`, width, width, bias, of)];
}

const widthOf = (shape: RowShape | undefined): Size => shape?.at(-1) ?? null;

function forwardParameters(
  { units, gated, bias, init }: Static<typeof FeedForwardLayer> | Block,
  prefix: string,
  width: Size,
): ParameterRule[] {
  const of = { field: 'init', value: init };
  return [
    ...linear(`${prefix}in`, width, units, bias, of),
    ...(gated ? linear(`${prefix}gate`, width, units, bias, of) : []),
    ...linear(`${prefix}out`, units, width, bias, of),
  ];
}

function blockParameters(layer: Block, [shape, memory]: readonly RowShape[]): ParameterRule[] {
  const { norm } = layer;
  const width = widthOf(shape);
  const normed = (name: string): ParameterRule[] => [
    { name: `${name}.scale`, dims: [width] },
    ...(norm === 'layer_norm' ? [{ name: `${name}.bias`, dims: [width] }] : []),
  ];
  return [
    ...normed('norm1'),
    ...attentionParameters(layer, 'attention.', width),
    ...(memory === undefined
      ? []
      : [...normed('norm_cross'), ...attentionParameters(layer, 'cross.', width, widthOf(memory))]),
    ...normed('norm2'),
    ...forwardParameters(layer, 'feed_forward.', width),
  ];
}

export const attention = layerRule({
  schema: AttentionLayer,
  arity: { minimum: 1, maximum: 2 },
  complete,
  shapeAfter(layer, inputs) {
    if (inputs.length > 1 && (layer.causal || layer.rotary))
      return misfit(
        layer.causal ? 'causal' : 'rotary',
        'steps of another sequence have no common order with these',
        'false with two inputs',
      );
    return shapeAfter(layer, inputs);
  },
  parameters: (layer, inputs) =>
    attentionParameters(layer, '', widthOf(inputs[0]), inputs.length > 1 ? widthOf(inputs[1]) : undefined),
});

export const feedForward = layerRule({
  schema: FeedForwardLayer,
  shapeAfter({ type }, [shape]) {
    if (shape != null && shape.length > 2)
      return misfit(
        'type',
        `${type} takes a vector or a sequence of them; what comes in is ${show(shape)}`,
        'flatten, or reshape to [steps, width], before it',
      );
    return { shape: shape ?? null };
  },
  parameters: (layer, [shape]) => forwardParameters(layer, '', widthOf(shape)),
});

const block = { complete, shapeAfter, parameters: blockParameters };

export const transformerEncoder = layerRule({ schema: EncoderLayer, ...block });
export const transformerDecoder = layerRule({ schema: DecoderLayer, ...block, arity: { minimum: 1, maximum: 2 } });
