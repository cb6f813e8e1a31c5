/** Networks that are known by a name: what `model.preset` stands for. A spec that names one comes back with its layers written out. */

/** What a network learns from; `rows`: any columns. */
export type LearnsFrom = 'corpus' | 'image' | 'rows';

interface Preset {
  from: LearnsFrom;
  about: string;
  layers: object[];
}

const RELU = { type: 'relu' };
const times = <T>(n: number, make: (i: number) => T): T[] => Array.from({ length: n }, (_, i) => make(i));

function gpt(width: number, blocks: number, heads: number, dropout: number): object[] {
  return [
    { type: 'embedding', units: width },
    { type: 'position_embedding' },
    ...times(blocks, () => ({ type: 'transformer_decoder', heads, units: 4 * width, dropout })),
    { type: 'layer_norm' },
  ];
}

function lstm(width: number, units: number, layers: number): object[] {
  return [{ type: 'embedding', units: width }, ...times(layers, () => ({ type: 'lstm', units, returns: 'sequence' }))];
}

function mlp(units: number, layers: number): object[] {
  return times(layers, () => [
    { type: 'dense', units, activation: RELU },
    { type: 'dropout', rate: 0.1 },
  ]).flat();
}

/** Of 6n + 2 layers for small images, with projections where the width changes: three stages of n blocks. */
function resnet(n: number): object[] {
  const convolution = (name: string, input: string, filters: number, size: number, stride: number) => [
    { type: 'conv2d', name, inputs: [input], filters, kernel_size: size, stride, padding: 'same', bias: false },
    { type: 'batch_norm', name: `${name}_norm`, inputs: [name] },
  ];
  const layers: object[] = [
    { type: 'conv2d', name: 'stem', filters: 16, padding: 'same', bias: false },
    { type: 'batch_norm', name: 'stem_norm', inputs: ['stem'] },
    { type: 'activation', activation: RELU, name: 'stem_out', inputs: ['stem_norm'] },
  ];
  let before = 'stem_out';
  for (const [stage, filters] of [16, 32, 64].entries())
    for (let block = 0; block < n; block++) {
      const name = `stage${stage + 1}_block${block + 1}`;
      const isNarrower = stage > 0 && block === 0;
      const stride = isNarrower ? 2 : 1;
      layers.push(
        ...convolution(`${name}_a`, before, filters, 3, stride),
        { type: 'activation', activation: RELU, name: `${name}_relu`, inputs: [`${name}_a_norm`] },
        ...convolution(`${name}_b`, `${name}_relu`, filters, 3, 1),
        ...(isNarrower ? convolution(`${name}_skip`, before, filters, 1, stride) : []),
        { type: 'add', name: `${name}_sum`, inputs: [`${name}_b_norm`, isNarrower ? `${name}_skip_norm` : before] },
        { type: 'activation', activation: RELU, name: `${name}_out`, inputs: [`${name}_sum`] },
      );
      before = `${name}_out`;
    }
  return [...layers, { type: 'global_average_pool2d' }];
}

export const PRESETS = {
  'gpt-tiny': { from: 'corpus', about: 'a GPT of 2 blocks, 64 wide', layers: gpt(64, 2, 4, 0) },
  'gpt-small': { from: 'corpus', about: 'a GPT of 4 blocks, 128 wide', layers: gpt(128, 4, 4, 0.1) },
  'gpt-medium': { from: 'corpus', about: 'a GPT of 6 blocks, 384 wide', layers: gpt(384, 6, 6, 0.2) },
  'lstm-small': { from: 'corpus', about: 'an LSTM of 256 units', layers: lstm(64, 256, 1) },
  'lstm-medium': { from: 'corpus', about: 'two LSTMs of 512 units', layers: lstm(128, 512, 2) },
  'lenet-5': {
    from: 'image',
    about: 'two convolutions and two dense layers (LeCun et al. 1998), with relu and maxima',
    layers: [
      { type: 'conv2d', filters: 6, kernel_size: 5, padding: 'same', activation: RELU },
      { type: 'max_pool2d' },
      { type: 'conv2d', filters: 16, kernel_size: 5, activation: RELU },
      { type: 'max_pool2d' },
      { type: 'flatten' },
      { type: 'dense', units: 120, activation: RELU },
      { type: 'dense', units: 84, activation: RELU },
    ],
  },
  'resnet-8': { from: 'image', about: 'a residual network of 8 layers (He et al. 2016)', layers: resnet(1) },
  'resnet-20': { from: 'image', about: 'a residual network of 20 layers (He et al. 2016)', layers: resnet(3) },
  'mlp-small': { from: 'rows', about: 'two dense layers of 64', layers: mlp(64, 2) },
  'mlp-medium': { from: 'rows', about: 'two dense layers of 256', layers: mlp(256, 2) },
  'mlp-large': { from: 'rows', about: 'three dense layers of 512', layers: mlp(512, 3) },
} satisfies Record<string, Preset>;

export type PresetName = keyof typeof PRESETS;
