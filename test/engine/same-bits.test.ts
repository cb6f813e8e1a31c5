import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { chooseKernels, compileKernels } from '../../src/engine/kernels/load.ts';
import type { LayerDescription } from '../../src/engine/layers/description.ts';
import type { TransformerDescription } from '../../src/engine/layers/transformer.ts';
import type { OptimizerDescription } from '../../src/engine/optimizers/optimizer.ts';
import { seedOf, shuffle } from '../../src/engine/random.ts';
import type { HeadDescription } from '../../src/engine/targets.ts';
import { createTrainer, dense } from '../support/networks.ts';

/** The promise: the weights are the same to the last bit for any number of threads, and in every run. All of 1 to 8 with ALL_THREADS=1. */
const THREADS = process.env.ALL_THREADS ? [2, 3, 4, 5, 6, 7, 8] : [2, 3, 5, 8];
const { compiled } = chooseKernels();
const he = { type: 'he_normal', gain: 1 } as const;
const LAYERS: LayerDescription[] = [
  dense('d1', 67, 'relu', he),
  { type: 'batch_norm', name: 'norm', momentum: 0.1, epsilon: 1e-5 },
  { type: 'dropout', name: 'drop', rate: 0.3 },
  dense('d2', 45, 'tanh', he),
  { type: 'activation', name: 'act', activation: { type: 'gelu', approximate: 'none' } },
  dense('d3', 7, 'linear', he),
];
const OPTIMIZERS: OptimizerDescription[] = [
  { type: 'adamw', beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01 },
  { type: 'nesterov', momentum: 0.9, weightDecay: 1e-4 },
  { type: 'adam', beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01, amsgrad: true },
  { type: 'adamax', beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 1e-4 },
  { type: 'nadam', beta1: 0.9, beta2: 0.999, epsilon: 1e-8, momentumDecay: 0.004, weightDecay: 1e-4 },
  { type: 'radam', beta1: 0.9, beta2: 0.9, epsilon: 1e-8, weightDecay: 1e-4 },
  { type: 'lion', beta1: 0.9, beta2: 0.99, weightDecay: 0.01 },
  { type: 'lamb', beta1: 0.9, beta2: 0.999, epsilon: 1e-6, weightDecay: 0.01 },
  { type: 'adagrad', learningRateDecay: 0.01, initialAccumulator: 0.1, epsilon: 1e-10, weightDecay: 1e-4 },
  { type: 'adadelta', rho: 0.9, epsilon: 1e-6, weightDecay: 1e-4 },
  { type: 'rmsprop', alpha: 0.9, epsilon: 1e-8, momentum: 0.8, centered: true, weightDecay: 1e-4 },
];
const WIDTH = 53;
const ROWS = 115;
const BATCH = 48;
const EPOCHS = 2;

/** A convolution with everything that is summed over rows, positions and images. */
const window = { kernel: [3, 2], stride: [1, 1], dilation: [1, 1], padding: 'same' } as const;
const CONVOLUTIONAL: LayerDescription[] = [
  { type: 'reshape', name: 'image', shape: [6, 8, 1] },
  {
    ...{ type: 'conv2d', name: 'c1', filters: 6, ...window, activation: { type: 'relu' } },
    ...{ init: he, bias: true, biasInit: { type: 'zeros' } },
  },
  { type: 'max_pool2d', name: 'p', size: [2, 2], stride: [2, 2] },
  { type: 'dropout', name: 'drop', rate: 0.2 },
  {
    ...{ type: 'conv2d', name: 'c2', filters: 9, ...window, stride: [2, 2], activation: { type: 'tanh' } },
    ...{ init: he, bias: true, biasInit: { type: 'zeros' } },
  },
  { type: 'global_average_pool2d', name: 'g' },
  dense('out', 7, 'linear', he),
];
/** In groups, one channel at a time, transposed, and over a sequence. */
const weights = { activation: { type: 'relu' }, init: he, bias: true, biasInit: { type: 'zeros' } } as const;
const SEPARATED: LayerDescription[] = [
  { type: 'reshape', name: 'image', shape: [4, 3, 4] },
  { type: 'conv2d', name: 'depthwise', filters: 4, ...window, groups: 4, ...weights },
  { type: 'conv2d', name: 'multiplied', filters: 12, ...window, stride: [1, 2], groups: 4, ...weights },
  { type: 'conv2d', name: 'grouped', filters: 6, ...window, groups: 3, ...weights },
  { type: 'conv2d_transpose', name: 'parted', filters: 9, ...window, groups: 3, ...weights },
  { type: 'conv2d_transpose', name: 'transposed', filters: 5, ...window, stride: [2, 2], ...weights },
  { type: 'reshape', name: 'sequence', shape: [32, 5] },
  {
    ...{ type: 'conv1d', name: 'causal', filters: 9, kernel: 3, stride: 1, dilation: 2, padding: 'causal', groups: 1 },
    ...weights,
  },
  { type: 'average_pool1d', name: 'mean', size: 3, stride: 2 },
  { type: 'global_max_pool1d', name: 'most' },
  dense('out', 7, 'linear', he),
];

/** Values that are moved, and channels that are dropped. */
const MOVING: LayerDescription[] = [
  { type: 'reshape', name: 'image', shape: [4, 3, 4] },
  { type: 'upsample2d', name: 'up', factor: 2 },
  { type: 'zero_padding2d', name: 'pad', top: 1, bottom: 0, left: 2, right: 1 },
  {
    ...{ type: 'conv2d', name: 'c', filters: 11, ...window, activation: { type: 'silu' } },
    ...{ init: he, bias: true, biasInit: { type: 'zeros' } },
  },
  { type: 'spatial_dropout', name: 'drop', rate: 0.3 },
  { type: 'permute', name: 'turned', order: [1, 0, 2] },
  { type: 'global_max_pool2d', name: 'g' },
  dense('out', 7, 'linear', he),
];

/** More weights than rows: products that are shared out by columns. */
const WIDE: LayerDescription[] = [
  dense('d1', 600, 'relu', he),
  { type: 'dropout', name: 'drop', rate: 0.3 },
  dense('d2', 520, 'tanh', he),
  dense('out', 7, 'linear', he),
];

/**
 * Columns that all read the columns before them, cut so fine that threads take ranges as they get on; and weights that are packed once for all
 * threads.
 */
const EVEN: LayerDescription[] = [
  ...[1296, 1296, 1296, 300, 200].map((units, i) => dense(`d${i}`, units, 'relu', he)),
  dense('out', 7, 'linear', he),
];

/** Statistics of the batch, and dropout behind them. */
const NORMALIZED: LayerDescription[] = [
  { type: 'reshape', name: 'image', shape: [6, 8, 1] },
  { type: 'conv2d', name: 'c1', filters: 7, ...window, ...weights },
  { type: 'batch_norm', name: 'b1', momentum: 0.1, epsilon: 1e-5 },
  { type: 'activation', name: 'act', activation: { type: 'relu' } },
  { type: 'max_pool2d', name: 'p', size: [2, 2], stride: [2, 2] },
  { type: 'group_norm', name: 'groups', groups: 1, epsilon: 1e-5 },
  { type: 'dropout', name: 'drop', rate: 0.3 },
  { type: 'flatten', name: 'flat' },
  dense('d', 19, 'tanh', he),
  { type: 'batch_norm', name: 'b2', momentum: 0.1, epsilon: 1e-5 },
  dense('out', 7, 'linear', he),
];
/** Sequences of which some end early: index 0 is padding. */
const tokens: LayerDescription = {
  type: 'embedding',
  name: 'tokens',
  vocabulary: 9,
  units: 6,
  init: he,
  padding: true,
};
const recurrent = (type: 'rnn' | 'lstm' | 'gru', more: object = {}): LayerDescription => ({
  ...{ type, name: type, units: 9, depth: 1, bidirectional: false, returns: 'last', dropout: 0, recurrentInit: he },
  ...{ init: he, bias: true, biasInit: { type: 'zeros' } },
  ...more,
});
const block: Omit<TransformerDescription, 'type' | 'name'> = {
  ...{ heads: 2, keyHeads: 1, rotary: false, init: he, bias: true, units: 11, epsilon: 1e-5, dropout: 0.2 },
  ...{ activation: { type: 'silu' }, gated: true, norm: 'layer_norm', normPosition: 'pre' },
};
const norm: LayerDescription = { type: 'batch_norm', name: 'norm', momentum: 0.1, epsilon: 1e-5 };
const SEQUENTIAL: [string, LayerDescription[]][] = [
  [
    'an LSTM, two deep, with batch norm, and dropout between',
    [tokens, norm, recurrent('lstm', { depth: 2, dropout: 0.3 })],
  ],
  [
    'a GRU both ways, batch norm, dropout, and a simple one behind it',
    [
      tokens,
      recurrent('gru', { bidirectional: true, returns: 'sequence' }),
      norm,
      { type: 'dropout', name: 'drop', rate: 0.2 },
      recurrent('rnn'),
    ],
  ],
  [
    'convolutions, norms and poolings that leave padding out',
    [
      tokens,
      {
        ...{ type: 'conv1d', name: 'c', filters: 10, kernel: 3, stride: 1, dilation: 1, padding: 'same', groups: 1 },
        ...weights,
      },
      norm,
      { type: 'group_norm', name: 'groups', groups: 2, epsilon: 1e-5 },
      { type: 'max_pool1d', name: 'pooled', size: 2, stride: 1 },
      { type: 'activity_regularization', name: 'small', l1: 0.01, l2: 0.01 },
      { type: 'global_max_pool1d', name: 'most' },
      { type: 'global_average_pool1d', name: 'mean', inputs: ['small'] },
      { type: 'concatenate', name: 'both', inputs: ['most', 'mean'] },
    ],
  ],
  [
    'a transformer with batch norm and dropout: encoder, decoder that attends to it, stochastic depth',
    [
      tokens,
      norm,
      { type: 'position_embedding', name: 'positions', kind: 'learned', init: he },
      { type: 'transformer_encoder', name: 'encoder', ...block },
      {
        type: 'transformer_decoder',
        name: 'decoder',
        ...block,
        rotary: false,
        norm: 'rms_norm',
        normPosition: 'post',
        inputs: ['positions', 'encoder'],
      },
      { type: 'stochastic_depth', name: 'depth', rate: 0.3 },
      { type: 'add', name: 'sum', inputs: ['positions', 'depth'] },
      { type: 'global_average_pool1d', name: 'mean' },
    ],
  ],
];

/** Parts of the input by themselves, and three targets. */
const BRANCHED: LayerDescription[] = [
  { type: 'columns', name: 'left', first: 0, count: 20 },
  { ...dense('l', 13, 'relu', he), inputs: ['left'] },
  { type: 'batch_norm', name: 'norm', momentum: 0.1, epsilon: 1e-5 },
  { type: 'columns', name: 'right', first: 20, count: 28, inputs: ['input'] },
  { type: 'reshape', name: 'image', shape: [4, 7, 1] },
  { type: 'conv2d', name: 'c', filters: 3, ...window, ...weights },
  { type: 'spatial_dropout', name: 'drop', rate: 0.3 },
  { type: 'global_max_pool2d', name: 'most' },
  { type: 'concatenate', name: 'both', inputs: ['norm', 'most'] },
  { type: 'dropout', name: 'drop2', rate: 0.2 },
  { ...dense('one', 7, 'linear', he), inputs: ['drop2'] },
  { ...dense('two', 2, 'linear', he), inputs: ['drop2'] },
  { ...dense('three', 3, 'linear', he), inputs: ['norm'] },
  { type: 'concatenate', name: 'all', inputs: ['one', 'two', 'three'] },
];
const HEADS: HeadDescription[] = [
  { target: { kind: 'values', width: 2 }, width: 2, loss: { type: 'mse' }, weight: 0.4 },
  { target: { kind: 'labels' }, width: 3, loss: { type: 'cross_entropy' }, weight: 1 },
];

/** Indices 1 … 8, and 0 behind the end of a sequence. */
const STEPS = 7;
const indices = (i: number) => (i % STEPS > 2 + (Math.floor(i / STEPS) % 5) ? 0 : 1 + ((i * 5) % 8));

async function trainAndHash(
  threads: number,
  optimizer: OptimizerDescription,
  clipNorm: number,
  layers = LAYERS,
  width = WIDTH,
  { featureOf = (i: number) => Math.sin(i * 0.37) + Math.cos(i * 0.011), heads = [] as HeadDescription[] } = {},
): Promise<string> {
  const x = Float32Array.from({ length: ROWS * width }, (_, i) => featureOf(i));
  const labels = Int32Array.from({ length: ROWS }, (_, i) => (i * 5) % 7);
  const trainer = createTrainer(compiled, threads, {
    layers,
    loss: { type: 'cross_entropy' },
    optimizer,
    input: [width],
    rows: ROWS,
    batchRows: BATCH,
    x,
    labels,
    heads,
    clipNorm,
    clipValue: 0.5,
  });
  heads.forEach(({ target }, h) => {
    if (target.kind === 'labels') trainer.headLabels(h).set(labels.map((label) => label % 3));
    else
      trainer.headValues(h).forEach((_, i, values) => {
        values[i] = Math.sin(i);
      });
  });
  trainer.initialize();
  let step = 0;
  for (let epoch = 0; epoch < EPOCHS; epoch++) {
    trainer.settle();
    shuffle(trainer.trainOrder, seedOf(3), epoch);
    for (let first = 0; first < ROWS; first += BATCH) {
      expect(trainer.step(first, Math.min(BATCH, ROWS - first), step++, 0.01)).toBeGreaterThan(0);
    }
  }
  trainer.settle();
  const hash = createHash('sha256');
  for (const { name } of trainer.parameters) hash.update(trainer.tensor(name));
  for (const slot of trainer.slots) hash.update(trainer.tensor(slot.node.attributes.name as string));
  hash.update(String(trainer.evaluate(0, ROWS).loss));
  await trainer.close();
  return hash.digest('hex');
}

describe('the same bits', () => {
  it.each(OPTIMIZERS)(
    'for 1, 2, 3 and 4 threads and between two runs: $type, batch norm, dropout, clipping, a shorter last batch',
    async (optimizer) => {
      const first = await trainAndHash(1, optimizer, 0.7);
      for (const threads of [1, 2, 3, 4]) expect(await trainAndHash(threads, optimizer, 0.7)).toBe(first);
    },
  );

  it.each([
    ['a convolutional network', CONVOLUTIONAL],
    ['convolutions in groups, transposed and over sequences', SEPARATED],
    ['a convolutional network with batch norm and dropout', NORMALIZED],
  ])('for 1 to 8 threads of %s', async (_, layers) => {
    const first = await trainAndHash(1, OPTIMIZERS[0]!, 0.7, layers, 48);
    for (const threads of THREADS) expect(await trainAndHash(threads, OPTIMIZERS[0]!, 0.7, layers, 48)).toBe(first);
  });

  it.each(SEQUENTIAL)('for 1 to 8 threads of %s', async (_, layers) => {
    const all = [...layers, dense('out', 7, 'linear', he)];
    const hash = (threads: number) => trainAndHash(threads, OPTIMIZERS[0]!, 0.7, all, STEPS, { featureOf: indices });
    const first = await hash(1);
    for (const threads of THREADS) expect(await hash(threads)).toBe(first);
  });

  it('for 1 to 8 threads of a graph with several inputs and targets', async () => {
    const hash = (threads: number) => trainAndHash(threads, OPTIMIZERS[0]!, 0.7, BRANCHED, 48, { heads: HEADS });
    const first = await hash(1);
    for (const threads of THREADS) expect(await hash(threads)).toBe(first);
  });

  it('for 1 to 5 threads where values are moved and channels dropped', async () => {
    const first = await trainAndHash(1, OPTIMIZERS[0]!, 0.7, MOVING, 48);
    for (const threads of [1, 2, 3, 5])
      expect(await trainAndHash(threads, OPTIMIZERS[0]!, 0.7, MOVING, 48)).toBe(first);
  });

  it('for 1 to 8 threads of layers so wide that they are shared out by columns', async () => {
    const first = await trainAndHash(1, OPTIMIZERS[0]!, 0.7, WIDE);
    for (const threads of THREADS) expect(await trainAndHash(threads, OPTIMIZERS[0]!, 0.7, WIDE)).toBe(first);
  });

  it('for 1 to 5 threads that take ranges of products as they get on', async () => {
    const first = await trainAndHash(1, OPTIMIZERS[0]!, 0.7, EVEN);
    for (const threads of [2, 3, 5]) expect(await trainAndHash(threads, OPTIMIZERS[0]!, 0.7, EVEN)).toBe(first);
  });

  it('and they do depend on what the model is', async () => {
    expect(await trainAndHash(1, OPTIMIZERS[0]!, 0.7)).not.toBe(await trainAndHash(1, OPTIMIZERS[0]!, 0.2));
  });
});

describe('a team', () => {
  it('ends with the error of the thread that failed, and does not hang', async () => {
    const trainer = createTrainer(compileKernels({ build: 'plain' }), 2, {
      layers: [dense('d', 3, 'linear', he)],
      loss: { type: 'cross_entropy' },
      optimizer: { type: 'sgd', weightDecay: 0 },
      input: [4],
      rows: 8,
      batchRows: 4,
      x: new Float32Array(32),
      labels: new Int32Array(8),
    });
    // a row number far outside the table: the gather of rank 1 reads beyond the memory and traps
    trainer.trainOrder.fill(0);
    trainer.trainOrder.set([0x0fff_ffff, 0x0fff_ffff], 2);
    expect(() => trainer.step(0, 4, 0, 0.1)).toThrow(/out of bounds/);
    await trainer.close();
  });

  it('leaves the weights as they were when the loss is not finite', async () => {
    const trainer = createTrainer(compiled, 2, {
      layers: [dense('d', 3, 'linear', he)],
      loss: { type: 'cross_entropy' },
      optimizer: { type: 'sgd', weightDecay: 0 },
      input: [4],
      rows: 8,
      batchRows: 8,
      x: Float32Array.from({ length: 32 }, (_, i) => (i === 20 ? Number.POSITIVE_INFINITY : 1)),
      labels: new Int32Array(8),
    });
    trainer.initialize();
    const before = trainer.tensor('d.weight').slice();
    expect(trainer.step(0, 8, 0, 0.1)).toBeNaN();
    trainer.settle();
    expect(trainer.tensor('d.weight')).toEqual(before);
    await trainer.close();
  });

  it('leaves frozen parameters as they are and gives them no optimizer state', async () => {
    const trainer = createTrainer(compiled, 1, {
      layers: [dense('a', 5, 'relu', he), dense('b', 3, 'linear', he)],
      loss: { type: 'cross_entropy' },
      optimizer: OPTIMIZERS[0]!,
      input: [4],
      rows: 8,
      batchRows: 8,
      x: Float32Array.from({ length: 32 }, (_, i) => Math.sin(i)),
      labels: Int32Array.from({ length: 8 }, (_, i) => i % 3),
      isFrozen: (name) => name.startsWith('a.'),
    });
    trainer.initialize();
    const before = { a: trainer.tensor('a.weight').slice(), b: trainer.tensor('b.weight').slice() };
    trainer.step(0, 8, 0, 0.1);
    expect(trainer.tensor('a.weight')).toEqual(before.a);
    expect(trainer.tensor('b.weight')).not.toEqual(before.b);
    expect(trainer.slots.map((s) => s.parameterName)).toEqual(['b.weight', 'b.weight', 'b.bias', 'b.bias']);
    await trainer.close();
  });
});
