import { bothSides } from '../../spec/layers/images.ts';
import type { Layer } from '../../spec/model.ts';
import { PADDING } from '../../spec/preparation.ts';
import type { EndLayer, PlacedLayer } from '../network.ts';
import { sinusoids } from '../positions.ts';
import { transposeTensor, type Weights, type WeightTensor, weightOf } from '../tensors.ts';
import { activate } from './activations.ts';
import { convolution, transposed } from './convolutions.ts';
import { withoutEmptyRows, withoutPadding } from './masks.ts';
import {
  call,
  channelsFirst,
  channelsLast,
  first,
  last,
  nameOf,
  sides,
  type TorchLayer,
  type TorchScope,
  type TorchValue,
  write,
} from './module.ts';
import { attention, recurrent, transformer } from './sequences.ts';

type Of<T extends Layer['type']> = PlacedLayer<Extract<Layer, { type: T }>>;
type Describe<T extends Layer['type']> = (
  placed: Of<T>,
  inputs: readonly TorchValue[],
  weights: Weights,
  scope: TorchScope,
) => TorchLayer;

const bare = (value: TorchValue): TorchLayer => ({ weights: {}, value });
const same = (_placed: unknown, [x]: readonly TorchValue[]) => bare(x!);

function dense({ layer, inputs, output }: Of<'dense'>, [x]: readonly TorchValue[], weights: Weights): TorchLayer {
  const { name, units, bias, activation } = layer;
  const from = channelsLast(x!);
  const own = `self.${nameOf(name)}`;
  const { tied_to: tiedTo = null } = layer as Partial<EndLayer>;
  const biasOf: Record<string, WeightTensor> = bias ? { bias: weightOf(weights, `${name}.bias`) } : {};
  if (tiedTo !== null) {
    const table = `self.${nameOf(tiedTo)}.weight`;
    const code = `F.linear(${from}, ${table}${bias ? `, ${own}['bias']` : ''})`;
    const module = bias ? { module: parameters({ bias: [units] }) } : {};
    return { ...module, weights: biasOf, value: activate(last(code, output), activation) };
  }
  return {
    module: call('nn.Linear', [inputs[0]!.at(-1)!, units], bias ? {} : { bias }),
    weights: { weight: transposeTensor(weightOf(weights, `${name}.weight`)), ...biasOf },
    value: activate(last(`${own}(${from})`, output), activation),
  };
}

/** Weights without a module of their own. */
function parameters(shapes: Record<string, readonly number[]>): string {
  const entries = Object.entries(shapes).map(([name, dims]) => `'${name}': torch.zeros(${dims.join(', ')})`);
  return `nn.ParameterDict({${entries.join(', ')}})`;
}

function pool(
  { layer, output }: Of<'max_pool1d' | 'max_pool2d' | 'average_pool1d' | 'average_pool2d'>,
  [x]: readonly TorchValue[],
  _weights: Weights,
  { mask }: TorchScope,
): TorchLayer {
  const both = (value: number | [number, number]) =>
    write(sides(layer.type.endsWith('1d') ? [value as number] : bothSides(value)));
  const isMax = layer.type.startsWith('max');
  const windows = `${both(layer.size)}, ${both(layer.stride)}`;
  const run = (value: string) => `F.${isMax ? 'max' : 'avg'}_pool${layer.type.slice(-2)}(${value}, ${windows})`;
  const y = run(channelsFirst(withoutPadding(x!, isMax ? '-torch.inf' : '0')));
  if (x!.mask === undefined) return bare(first(y, output));
  if (isMax) return bare(withoutPadding({ ...first(y, output), mask }));
  // the mean of what counts, by the share of the window that does
  return bare(first(`(${y} / ${run(`${x!.mask()}[:, None].float()`)}.clamp(min=1e-6))`, output));
}

function globalPool(
  { layer, inputs, output }: PlacedLayer<Extract<Layer, { type: `global_${string}` }>>,
  [x]: readonly TorchValue[],
): TorchLayer {
  const axes = write(inputs[0]!.slice(0, -1).map((_, i) => i + (x!.isFirst ? 2 : 1)));
  const isMax = layer.type.startsWith('global_max');
  const { mask } = x!;
  if (mask === undefined) return bare(last(`${x!.code}.${isMax ? 'amax' : 'mean'}(${axes})`, output));
  const from = withoutPadding(x!, isMax ? '-torch.inf' : '0').code;
  const code = isMax
    ? withoutEmptyRows(`${from}.amax(${axes})`, mask)
    : `${from}.sum(${axes}) / ${mask()}.sum(1, True).clamp(min=1)`;
  return bare(last(isMax ? code : `(${code})`, output));
}

const scaleAndBias = (weights: Weights, name: string) => ({
  weight: weightOf(weights, `${name}.scale`),
  bias: weightOf(weights, `${name}.bias`),
});

/** Of the steps that count, where some are padding: nn.GroupNorm would count all. */
function groupNorm(
  { layer, output }: Of<'group_norm'>,
  [x]: readonly TorchValue[],
  weights: Weights,
  { assign }: TorchScope,
): TorchLayer {
  const { name, groups, epsilon } = layer;
  const channels = output.at(-1)!;
  const own = `self.${nameOf(name)}`;
  const described = {
    module: call('nn.GroupNorm', [groups, channels], { eps: epsilon }),
    weights: scaleAndBias(weights, name),
  };
  const { mask } = x!;
  if (mask === undefined) return { ...described, value: first(`${own}(${channelsFirst(x!)})`, output) };
  const width = channels / groups;
  const counts = assign('counts', `${mask()}[..., None, None].float()`);
  const size = assign('size', `(${counts}.sum(1, True) * ${width}).clamp(min=1)`);
  const meanOf = (value: string) => `(${value} * ${counts}).sum((1, 3), True) / ${size}`;
  const grouped = assign('grouped', `${channelsLast(x!)}.unflatten(2, (${groups}, ${width}))`);
  const centered = assign('centered', `${grouped} - ${meanOf(grouped)}`);
  const variance = assign('variance', meanOf(`${centered}.square()`));
  const normed = `(${centered} * torch.rsqrt(${variance} + ${epsilon})).flatten(2)`;
  const y = last(`(${normed} * ${own}.weight + ${own}.bias)`, output);
  return { ...described, value: withoutPadding({ ...y, mask }) };
}

/** Every kind of layer: one that is missing here does not compile. */
const DESCRIPTIONS: { [T in Layer['type']]: Describe<T> } = {
  dense,
  conv1d: convolution,
  conv2d: convolution,
  conv2d_transpose: transposed,
  max_pool1d: pool,
  max_pool2d: pool,
  average_pool1d: pool,
  average_pool2d: pool,
  global_max_pool1d: globalPool,
  global_max_pool2d: globalPool,
  global_average_pool1d: globalPool,
  global_average_pool2d: globalPool,
  embedding: ({ layer, output }, [x], weights) => ({
    module: call('nn.Embedding', [layer.vocabulary, layer.units]),
    weights: { weight: weightOf(weights, `${layer.name}.weight`) },
    value: last(`self.${nameOf(layer.name)}(${channelsLast(x!)}.long())`, output),
  }),
  position_embedding: ({ layer, output }, [x], weights) => {
    const [steps, width] = output as [number, number];
    return {
      module: call('nn.Embedding', [steps, width]),
      weights: {
        weight:
          layer.kind === 'learned'
            ? weightOf(weights, `${layer.name}.weight`)
            : { shape: output, data: sinusoids(steps, width) },
      },
      value: last(`(${channelsLast(x!)} + self.${nameOf(layer.name)}.weight)`, output),
    };
  },
  masking: ({ layer, output }, [x]) => {
    const from = channelsLast(x!);
    const nothing =
      layer.value === null ? `${from} == ${PADDING}` : `(${from} == ${layer.value}).all(-1, keepdim=True)`;
    return bare(last(`${from}.masked_fill(${nothing}, 0)`, output));
  },
  rnn: recurrent,
  lstm: recurrent,
  gru: recurrent,
  attention,
  transformer_encoder: transformer,
  transformer_decoder: transformer,
  feed_forward: ({ layer, inputs, output }, [x], weights) => {
    const { name, units, gated, bias, activation } = layer;
    const width = inputs[0]!.at(-1)!;
    const names = gated ? ['in', 'gate', 'out'] : ['in', 'out'];
    const linear = (part: string) =>
      `'${part}': ${call('nn.Linear', part === 'out' ? [units, width] : [width, units], bias ? {} : { bias })}`;
    const run = (part: string, value: string) => `self.${nameOf(name)}['${part}'](${value})`;
    const from = channelsLast(x!);
    const act = activate(last(run(gated ? 'gate' : 'in', from), [units]), activation).code;
    const inner = gated ? `${act} * ${run('in', from)}` : act;
    return {
      module: `nn.ModuleDict({${names.map(linear).join(', ')}})`,
      weights: Object.fromEntries(
        names.flatMap((part) => [
          [`${part}.weight`, transposeTensor(weightOf(weights, `${name}.${part}.weight`))],
          ...(bias ? [[`${part}.bias`, weightOf(weights, `${name}.${part}.bias`)]] : []),
        ]),
      ),
      value: last(run('out', inner), output),
    };
  },
  layer_norm: ({ layer, output }, [x], weights) => ({
    module: call('nn.LayerNorm', [output.at(-1)!], { eps: layer.epsilon }),
    weights: scaleAndBias(weights, layer.name),
    value: last(`self.${nameOf(layer.name)}(${channelsLast(x!)})`, output),
  }),
  // nn.RMSNorm came with PyTorch 2.4
  rms_norm: ({ layer, output }, [x], weights) => {
    const from = channelsLast(x!);
    const root = `torch.rsqrt(${from}.square().mean(-1, keepdim=True) + ${layer.epsilon})`;
    return {
      module: parameters({ weight: [output.at(-1)!] }),
      weights: { weight: weightOf(weights, `${layer.name}.scale`) },
      value: last(`(${from} * ${root} * self.${nameOf(layer.name)}['weight'])`, output),
    };
  },
  group_norm: groupNorm,
  batch_norm: ({ layer, output }, [x], weights) => ({
    module: call(`nn.BatchNorm${output.length === 3 ? '2d' : '1d'}`, [output.at(-1)!], {
      eps: layer.epsilon,
      momentum: layer.momentum,
    }),
    weights: {
      ...scaleAndBias(weights, layer.name),
      running_mean: weightOf(weights, `${layer.name}.running_mean`),
      running_var: weightOf(weights, `${layer.name}.running_variance`),
    },
    value: first(`self.${nameOf(layer.name)}(${channelsFirst(x!)})`, output),
  }),
  zero_padding1d: ({ layer, output }, [x]) =>
    bare(last(`F.pad(${channelsLast(x!)}, (0, 0, ${layer.before}, ${layer.after}))`, output)),
  zero_padding2d: ({ layer: { left, right, top, bottom }, output }, [x]) =>
    bare(last(`F.pad(${channelsLast(x!)}, (0, 0, ${left}, ${right}, ${top}, ${bottom}))`, output)),
  upsample1d: ({ layer, output }, [x]) =>
    bare(first(`F.interpolate(${channelsFirst(x!)}, scale_factor=${layer.factor})`, output)),
  upsample2d: ({ layer, output }, [x]) => {
    const mode = layer.method === 'bilinear' ? ", mode='bilinear'" : '';
    return bare(first(`F.interpolate(${channelsFirst(x!)}, scale_factor=${layer.factor}${mode})`, output));
  },
  activation: ({ layer }, [x]) => bare(activate(x!, layer.activation)),
  glu: ({ layer, output }, [x]) => {
    const half = (i: number) => last(`${channelsLast(x!)}.chunk(2, -1)[${i}]`, output);
    return bare(last(`(${half(0).code} * ${activate(half(1), layer.activation).code})`, output));
  },
  dropout: same,
  spatial_dropout: same,
  stochastic_depth: same,
  activity_regularization: same,
  flatten: ({ output }, [x]) => bare(last(x!.dims.length === 1 ? x!.code : `${channelsLast(x!)}.flatten(1)`, output)),
  reshape: ({ output }, [x]) => bare(last(`${channelsLast(x!)}.reshape(-1, ${output.join(', ')})`, output)),
  permute: ({ layer, output }, [x]) =>
    bare(last(`${channelsLast(x!)}.permute(0, ${layer.order.map((i) => i + 1).join(', ')})`, output)),
  add: ({ output }, inputs) => bare(last(`(${inputs.map(channelsLast).join(' + ')})`, output)),
  multiply: ({ output }, inputs) => bare(last(`(${inputs.map(channelsLast).join(' * ')})`, output)),
  concatenate: ({ output }, inputs) => bare(last(`torch.cat((${inputs.map(channelsLast).join(', ')}), -1)`, output)),
};

/** Throws NoModuleError. */
export function describeLayer(
  placed: PlacedLayer,
  inputs: readonly TorchValue[],
  weights: Weights,
  scope: TorchScope,
): TorchLayer {
  const describe = DESCRIPTIONS[placed.layer.type] as unknown as (
    ...given: [PlacedLayer, readonly TorchValue[], Weights, TorchScope]
  ) => TorchLayer;
  return describe(placed, inputs, weights, scope);
}
