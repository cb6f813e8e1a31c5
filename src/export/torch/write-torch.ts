import type { Network, PlacedLayer } from '../network.ts';
import { transposeTensor, type Weights, type WeightTensor } from '../tensors.ts';
import { describeLayer } from './layers.ts';
import { maskAfter } from './masks.ts';
import { channelsLast, last, NoModuleError, nameOf, type TorchMask, type TorchValue } from './module.ts';

/** A network as PyTorch has it. */
export interface TorchNetwork {
  /** by their names in the state of the module below */
  weights: Map<string, WeightTensor>;
  /** Python that builds it and loads them; null where PyTorch has no modules for it */
  code: string | null;
  /** why there is no code */
  reason: string | null;
}

/** Characters of an expression that may stand within another. */
const SHORT = 50;

/** `file`: the safetensors file that the code reads. Inputs are as the layers take them: prepared numbers, images (height, width, channels). */
export function describeTorch(network: Network, weights: Weights, file: string): TorchNetwork {
  const values = new Map<string, TorchValue>(
    network.inputs.map(({ name, shape }) => [name, last(nameOf(name), shape)]),
  );
  const uses = countUses(network);
  const state = new Map<string, WeightTensor>();
  const modules: string[] = [];
  const lines: string[] = [];
  const functions = new Set<string>();
  const define = (code: string) => void functions.add(code);
  const assign = openNames(network, lines);
  let reason: string | null = null;

  for (const placed of network.layers) {
    const { name, inputs } = placed.layer;
    const given = inputs.map((input) => values.get(input) ?? last(nameOf(input), []));
    try {
      const mask = maskAfter(placed, given, (code) => once(() => assign('mask', code())));
      const described = describeLayer(placed, given, weights, { mask, assign, define });
      if (described.module !== undefined) modules.push(`        self.${nameOf(name)} = ${described.module}`);
      for (const [key, tensor] of Object.entries(described.weights)) state.set(`${nameOf(name)}.${key}`, tensor);
      const kept = keep(described.value, nameOf(name), network.ends.includes(name), uses.get(name) ?? 0, lines);
      values.set(name, { ...kept, mask });
    } catch (error) {
      if (!(error instanceof NoModuleError)) throw error;
      reason ??= error.message;
      for (const [key, tensor] of plainWeights(placed, weights)) state.set(key, tensor);
      values.set(name, last(nameOf(name), placed.output));
    }
  }
  if (reason !== null) return { weights: state, code: null, reason };
  const ends = network.ends.map((end) => channelsLast(values.get(end)!));
  const body = [...functions, ...modules, ...lines, ...ends].join('\n');
  const code = [
    ...(body.includes('torch.') ? ['import torch'] : []),
    ...(body.includes('F.') ? ['import torch.nn.functional as F'] : []),
    'from safetensors.torch import load_file',
    'from torch import nn',
    ...functions,
    'class Network(nn.Module):',
    '    def __init__(self):',
    '        super().__init__()',
    ...modules,
    `    def forward(self, ${network.inputs.map((input) => nameOf(input.name)).join(', ')}):  # ${network.inputs.map(describeInput).join(', ')}`,
    ...lines,
    `        return ${ends.join(', ')}`,
    'network = Network().eval()',
    `network.load_state_dict(load_file('${file}'))`,
  ];
  return { weights: state, code: `${code.join('\n')}\n`, reason: null };
}

const describeInput = ({ name, shape }: Network['inputs'][number]) =>
  `${nameOf(name)} (${['rows', ...shape].join(', ')}) as prepared`;

/** Gives expressions lines in `forward`, under names that no layer has. */
function openNames({ inputs, layers }: Network, lines: string[]): (name: string, code: string) => string {
  const taken = new Set([...inputs.map(({ name }) => nameOf(name)), ...layers.map(({ layer }) => nameOf(layer.name))]);
  return (wanted, code) => {
    let name = wanted;
    for (let number = 2; taken.has(name); number++) name = `${wanted}_${number}`;
    taken.add(name);
    lines.push(`        ${name} = ${code}`);
    return name;
  };
}

function once(make: () => string): TorchMask {
  let made: string | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

/** A value that is used once is put where it is used, as long as lines stay short; any other gets a line. */
function keep(value: TorchValue, name: string, isEnd: boolean, uses: number, lines: string[]): TorchValue {
  if (uses === 1 && (isEnd || value.code.length <= SHORT)) return value;
  if (uses === 0 || /^\w+$/.test(value.code)) return value;
  lines.push(`        ${name} = ${value.code}`);
  return { ...value, code: name };
}

function countUses({ layers, ends }: Network): Map<string, number> {
  const uses = new Map<string, number>();
  const count = (name: string, times: number) => uses.set(name, (uses.get(name) ?? 0) + times);
  for (const { layer } of layers) for (const input of layer.inputs) count(input, usesOf(layer.type));
  for (const end of ends) count(end, 1);
  return uses;
}

/** Layers whose expressions name what comes in more than once. */
function usesOf(type: string): number {
  return ['glu', 'rms_norm', 'attention', 'feed_forward', 'masking'].includes(type) ? 2 : 1;
}

/** Under our names, matrices as nn.Linear has them. */
function plainWeights({ layer }: PlacedLayer, weights: Weights): [string, WeightTensor][] {
  return [...weights]
    .filter(([name]) => name.startsWith(`${layer.name}.`))
    .map(([name, tensor]) => [
      `${nameOf(layer.name)}${name.slice(layer.name.length)}`,
      tensor.shape.length === 2 ? transposeTensor(tensor) : tensor,
    ]);
}
