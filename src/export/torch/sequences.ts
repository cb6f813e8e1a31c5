import type { Layer } from '../../spec/model.ts';
import type { PlacedLayer } from '../network.ts';
import { sliceColumns, stackTensors, transposeTensor, type Weights, type WeightTensor, weightOf } from '../tensors.ts';
import { withoutEmptyRows } from './masks.ts';
import {
  call,
  channelsLast,
  last,
  NoModuleError,
  nameOf,
  type TorchLayer,
  type TorchScope,
  type TorchValue,
} from './module.ts';

type Of<T extends Layer['type']> = PlacedLayer<Extract<Layer, { type: T }>>;

/** Recurrent layers, attention and transformer blocks. */

/** Gates stand in PyTorch's order already; its second bias is 0 but for the new gate of a GRU. */
export function recurrent(
  { layer, inputs, output }: Of<'rnn' | 'lstm' | 'gru'>,
  [x, ...initial]: readonly TorchValue[],
  weights: Weights,
  { assign }: TorchScope,
): TorchLayer {
  const { name, type, units, depth, bidirectional, bias, returns } = layer;
  const { mask } = x!;
  const ways = bidirectional ? 2 : 1;
  const state: Record<string, WeightTensor> = {};
  for (let level = 0; level < depth; level++) {
    for (let way = 0; way < ways; way++) {
      const own = `${name}.${level === 0 ? '' : `level${level + 1}.`}${way === 0 ? '' : 'reverse.'}`;
      const end = `_l${level}${way === 0 ? '' : '_reverse'}`;
      state[`weight_ih${end}`] = transposeTensor(weightOf(weights, `${own}weight`));
      state[`weight_hh${end}`] = transposeTensor(weightOf(weights, `${own}recurrent_weight`));
      if (!bias) continue;
      const first = weightOf(weights, `${own}bias`);
      const second = new Float32Array(first.data.length);
      if (type === 'gru') second.set(weightOf(weights, `${own}recurrent_bias`).data, 2 * units);
      state[`bias_ih${end}`] = first;
      state[`bias_hh${end}`] = { shape: first.shape, data: second };
    }
  }
  const module = call(`nn.${type.toUpperCase()}`, [inputs[0]![1]!, units], {
    ...(depth > 1 && { num_layers: depth }),
    ...(!bias && { bias: false }),
    batch_first: true,
    ...(bidirectional && { bidirectional }),
  });
  const states = initial.map((h, i) => (mask === undefined ? h.code : nameIt(assign, `initial_${i + 1}`, h.code)));
  const begins = states.map((h) => `${h}.unflatten(1, (${depth * ways}, ${units})).movedim(1, 0).contiguous()`);
  const begin = begins.length === 2 ? `(${begins.join(', ')})` : begins[0];
  const given = begin === undefined ? [] : [begin];
  const run = (sequence: string) => `self.${nameOf(name)}(${[sequence, ...given].join(', ')})`;
  const ends = `[1]${type === 'lstm' ? '[0]' : ''}${ways === 1 ? '[-1]' : '[-2:].movedim(0, 1).flatten(1)'}`;
  const described = { module, weights: state };
  if (mask === undefined) {
    const end = returns === 'sequence' ? '[0]' : ways === 1 ? '[0][:, -1]' : ends;
    return { ...described, value: last(`${run(channelsLast(x!))}${end}`, output) };
  }
  // what counts comes first
  const order = assign('order', `${mask()}.sort(dim=1, descending=True, stable=True)[1][..., None]`);
  const lengths = `${mask()}.sum(1).clamp(min=1).cpu()`;
  const counted = [
    `${channelsLast(x!)}.take_along_dim(${order}, 1)`,
    lengths,
    'batch_first=True, enforce_sorted=False',
  ];
  const packed = assign('packed', `nn.utils.rnn.pack_padded_sequence(${counted.join(', ')})`);
  // the uppermost level's, both ways side by side
  const [first] = states.map((h) => `${h}[:, -${ways * units}:]`);
  if (returns === 'sequence') {
    const [steps] = output as [number];
    const part = { states: `${run(packed)}[0]`, first, mask: mask(), steps, units, ways };
    return { ...described, value: last(spreadStates(part, assign), output) };
  }
  const y = `${run(packed)}${ends}`;
  const value = first === undefined ? withoutEmptyRows(y, mask) : `torch.where(${mask()}.any(1, True), ${y}, ${first})`;
  return { ...described, value: last(value, output) };
}

/** States (rows, steps, ways·units) of steps that count at their places: at the others stands the state that passed over them. */
function spreadStates(
  of: { states: string; first: string | undefined; mask: string; steps: number; units: number; ways: number },
  assign: TorchScope['assign'],
): string {
  const { steps, units } = of;
  const unpacked = `nn.utils.rnn.pad_packed_sequence(${of.states}, batch_first=True, total_length=${steps})[0]`;
  const states = assign('states', unpacked);
  const first = assign('first', of.first === undefined ? `torch.zeros_like(${states}[:, :1])` : `${of.first}[:, None]`);
  const seen = assign('seen', `${of.mask}.cumsum(1)`);
  const [ahead, begin] = [states, first].map((name) => (of.ways === 1 ? name : `${name}[..., :${units}]`));
  const forward = `torch.cat((${begin}, ${ahead}), 1).take_along_dim(${seen}[..., None], 1)`;
  if (of.ways === 1) return forward;
  // the other way comes from the end: where nothing more counts it stands at its first state
  const before = assign('before', `${seen} - ${of.mask}.long()`);
  const from = assign('from_end', `${before}.masked_fill(${before} == ${seen}[:, -1:], ${steps})[..., None]`);
  const backward = `torch.cat((${states}[..., ${units}:], ${first}[..., ${units}:]), 1).take_along_dim(${from}, 1)`;
  return `torch.cat((${forward}, ${backward}), -1)`;
}

/** An expression that is used more than once. */
const nameIt = (assign: TorchScope['assign'], name: string, code: string) =>
  /^\w+$/.test(code) ? code : assign(name, code);

interface Heads {
  heads: number;
  key_heads: number;
  rotary: boolean;
  bias: boolean;
}

/** nn.MultiheadAttention, which has as many heads of keys as of queries, and no rotary positions. */
export function attention(
  { layer, inputs, output }: Of<'attention'>,
  [x, memory]: readonly TorchValue[],
  weights: Weights,
  { assign, define }: TorchScope,
): TorchLayer {
  const { name, causal } = layer;
  checkHeads(name, layer);
  const [steps, width] = inputs[0] as [number, number];
  const other = inputs[1]?.[1] ?? width;
  const module = call('nn.MultiheadAttention', [width, layer.heads], {
    ...(!layer.bias && { bias: false }),
    ...(other !== width && { kdim: other, vdim: other }),
    batch_first: true,
  });
  const q = channelsLast(x!);
  const kv = memory === undefined ? q : channelsLast(memory);
  const state =
    memory === undefined
      ? selfState(weights, `${name}.`, layer.bias)
      : crossState(weights, `${name}.`, width, other, layer.bias);
  const seen = seenSteps(x!, memory, causal);
  if (seen !== undefined) {
    define(ATTEND);
    const queries = nameIt(assign, 'queries', q);
    const code = `attend(self.${nameOf(name)}, ${queries}, ${memory === undefined ? queries : kv}, ${seen})`;
    return { module, weights: state, value: last(code, output) };
  }
  const mask = [...(causal ? [`attn_mask=${causalMask(steps)}`] : []), ...paddingMask('key_', x!, memory)];
  const run = `self.${nameOf(name)}(${[q, kv, kv, 'need_weights=False', ...mask].join(', ')})[0]`;
  return { module, weights: state, value: last(run, output) };
}

/** Of a row in which all is padding PyTorch would make NaN: there it is seen, by steps that do not count. */
function paddingMask(prefix: string, x: TorchValue, memory: TorchValue | undefined): string[] {
  if (x.mask === undefined || memory !== undefined) return [];
  return [`${prefix}padding_mask=~${x.mask()} & ${x.mask()}.any(1, True)`];
}

/** Of a step that sees nothing PyTorch makes NaN, and we a sum of nothing. */
const ATTEND = `def attend(module, q, kv, seen):
    seen = seen.expand(len(q), q.shape[1], -1)
    sees_any = seen.any(-1, True)
    blocked = ~(seen | ~sees_any).repeat_interleave(module.num_heads, 0)
    y = module(q, kv, kv, attn_mask=blocked, need_weights=False)[0]
    return torch.where(sees_any, y, module.out_proj(torch.zeros_like(y)))`;

/** (rows or 1, steps or 1, steps that are seen), where a step may see nothing: a causal one sees those before it, another sequence may be all padding. */
function seenSteps(x: TorchValue, memory: TorchValue | undefined, causal: boolean): string | undefined {
  if (memory !== undefined) return memory.mask && `${memory.mask()}[:, None]`;
  return causal && x.mask !== undefined ? `${x.mask()}[:, None] & ${earlier(x.dims[0]!)}` : undefined;
}

const earlier = (steps: number) => `torch.ones(${steps}, ${steps}, dtype=torch.bool).tril()`;

/** A causal block by the modules of its layer, since the layer itself makes NaN of steps that see nothing. Returns the name of what comes out. */
function writeBlock(
  own: string,
  x: TorchValue,
  memory: TorchValue | undefined,
  { assign, define, isPre, name }: TorchScope & { isPre: boolean; name: string },
): string {
  define(ATTEND);
  /** One branch beside what comes in, with its norm. */
  const beside = (from: string, norm: string, branch: (value: string) => string) =>
    isPre
      ? assign(name, `${from} + ${branch(`${own}.${norm}(${from})`)}`)
      : assign(name, `${own}.${norm}(${from} + ${branch(from)})`);
  const sees = seenSteps(x, undefined, true) ?? earlier(x.dims[0]!);
  const self = beside(nameIt(assign, 'steps', channelsLast(x)), 'norm1', (value) => {
    const queries = nameIt(assign, 'queries', value);
    return `attend(${own}.self_attn, ${queries}, ${queries}, ${sees})`;
  });
  const forward = (value: string) => `${own}.linear2(${own}.activation(${own}.linear1(${value})))`;
  if (memory === undefined) return beside(self, 'norm2', forward);
  const keys = nameIt(assign, 'keys', channelsLast(memory));
  const seen = seenSteps(x, memory, false);
  const module = `${own}.multihead_attn`;
  const other = beside(self, 'norm2', (value) =>
    seen === undefined
      ? `${module}(${value}, ${keys}, ${keys}, need_weights=False)[0]`
      : `attend(${module}, ${value}, ${keys}, ${seen})`,
  );
  return beside(other, 'norm3', forward);
}

function checkHeads(name: string, { heads, key_heads: keyHeads, rotary }: Heads): void {
  if (keyHeads !== heads) throw new NoModuleError(`the heads of ${name} share keys`);
  if (rotary) throw new NoModuleError(`${name} has rotary positions`);
}

const causalMask = (steps: number) => `nn.Transformer.generate_square_subsequent_mask(${steps})`;

function selfState(weights: Weights, prefix: string, bias: boolean): Record<string, WeightTensor> {
  return {
    in_proj_weight: transposeTensor(weightOf(weights, `${prefix}qkv.weight`)),
    ...(bias && { in_proj_bias: weightOf(weights, `${prefix}qkv.bias`) }),
    ...linearState(weights, `${prefix}output`, 'out_proj', bias),
  };
}

function crossState(
  weights: Weights,
  prefix: string,
  width: number,
  other: number,
  bias: boolean,
): Record<string, WeightTensor> {
  const q = transposeTensor(weightOf(weights, `${prefix}query.weight`));
  const kv = weightOf(weights, `${prefix}key_value.weight`);
  const inputs: Record<string, WeightTensor> =
    other === width
      ? { in_proj_weight: stackTensors([q, transposeTensor(kv)]) }
      : {
          q_proj_weight: q,
          k_proj_weight: transposeTensor(sliceColumns(kv, 0, width)),
          v_proj_weight: transposeTensor(sliceColumns(kv, width, width)),
        };
  return {
    ...inputs,
    ...(bias && {
      in_proj_bias: stackTensors([
        weightOf(weights, `${prefix}query.bias`),
        weightOf(weights, `${prefix}key_value.bias`),
      ]),
    }),
    ...linearState(weights, `${prefix}output`, 'out_proj', bias),
  };
}

function linearState(weights: Weights, from: string, to: string, bias: boolean): Record<string, WeightTensor> {
  return {
    [`${to}.weight`]: transposeTensor(weightOf(weights, `${from}.weight`)),
    ...(bias && { [`${to}.bias`]: weightOf(weights, `${from}.bias`) }),
  };
}

/** nn.TransformerEncoderLayer, with a mask where it is causal; with a second sequence nn.TransformerDecoderLayer. */
export function transformer(
  { layer, inputs, output }: Of<'transformer_encoder' | 'transformer_decoder'>,
  [x, memory]: readonly TorchValue[],
  weights: Weights,
  scope: TorchScope,
): TorchLayer {
  const { name, heads, units, activation, bias } = layer;
  checkHeads(name, layer);
  const [steps, width] = inputs[0] as [number, number];
  const isUsual = activation.type === 'relu' || (activation.type === 'gelu' && activation.approximate === 'none');
  if (!isUsual || layer.gated || layer.norm !== 'layer_norm' || !bias)
    throw new NoModuleError(
      `${name} is no block as nn.TransformerEncoderLayer has it: with layer norms, biases, relu or gelu, and no gate`,
    );
  if (memory !== undefined && inputs[1]![1] !== width)
    throw new NoModuleError(`${name} attends to a sequence of another width`);
  const norm = (from: string, to: string) => ({
    [`${to}.weight`]: weightOf(weights, `${name}.${from}.scale`),
    [`${to}.bias`]: weightOf(weights, `${name}.${from}.bias`),
  });
  const under = (prefix: string, state: Record<string, WeightTensor>) =>
    Object.fromEntries(Object.entries(state).map(([key, value]) => [`${prefix}.${key}`, value]));
  const module = call(`nn.Transformer${memory === undefined ? 'En' : 'De'}coderLayer`, [width, heads, units], {
    ...(activation.type === 'gelu' && { activation: "'gelu'" }),
    ...(layer.epsilon !== 1e-5 && { layer_norm_eps: layer.epsilon }),
    batch_first: true,
    ...(layer.norm_position === 'pre' && { norm_first: true }),
  });
  const state = {
    ...under('self_attn', selfState(weights, `${name}.attention.`, bias)),
    ...linearState(weights, `${name}.feed_forward.in`, 'linear1', bias),
    ...linearState(weights, `${name}.feed_forward.out`, 'linear2', bias),
    ...norm('norm1', 'norm1'),
    ...(memory === undefined
      ? norm('norm2', 'norm2')
      : {
          ...under('multihead_attn', crossState(weights, `${name}.cross.`, width, width, bias)),
          ...norm('norm_cross', 'norm2'),
          ...norm('norm2', 'norm3'),
        }),
  };
  const causal = layer.type === 'transformer_decoder';
  const own = `self.${nameOf(name)}`;
  if (causal && (x!.mask !== undefined || memory?.mask !== undefined)) {
    const end = writeBlock(own, x!, memory, { ...scope, isPre: layer.norm_position === 'pre', name: nameOf(name) });
    return { module, weights: state, value: last(end, output) };
  }
  const given = [
    channelsLast(x!),
    ...(memory === undefined ? [] : [channelsLast(memory)]),
    ...(causal ? [causalMask(steps)] : paddingMask('src_key_', x!, memory)),
  ];
  return { module, weights: state, value: last(`${own}(${given.join(', ')})`, output) };
}
